import { readFileSync } from 'node:fs';
import { LABELS } from '@fso/shared/api';
import { CONSTRAINT_TEMPLATE_KIND, GEO_RESIDENCY_KIND } from '@fso/shared/kube';
import type { Template } from './kinds.ts';

const REGO = readFileSync(new URL('./template.rego', import.meta.url), 'utf8');

/** Gatekeeper requires the plural of the constraint kind as the name of the template. */
export const TEMPLATE_NAME: string = GEO_RESIDENCY_KIND.plural;

/**
 * The ConstraintTemplate of lock 2, with the defaults of its CRD. It has only Rego: with both
 * engines in one template, Gatekeeper would use CEL and never run Rego, and lock 1 is CEL already.
 *
 * @see https://open-policy-agent.github.io/gatekeeper/website/docs/constrainttemplates/
 */
export const desiredTemplate = (): Template => ({
  apiVersion: CONSTRAINT_TEMPLATE_KIND.apiVersion,
  kind: CONSTRAINT_TEMPLATE_KIND.kind,
  metadata: { name: TEMPLATE_NAME, labels: { [LABELS.component]: 'template' } },
  spec: {
    crd: { spec: { names: { kind: GEO_RESIDENCY_KIND.kind }, validation: { legacySchema: false, openAPIV3Schema: PARAMETERS } } },
    targets: [{ target: 'admission.k8s.gatekeeper.sh', code: [{ engine: 'Rego', source: { version: 'v1', rego: REGO } }] }],
  },
});

const PARAMETERS = {
  type: 'object',
  properties: {
    regions: { type: 'array', items: { type: 'string' }, description: 'Regions in which the pods may run.' },
    trustedBinders: { type: 'array', items: { type: 'string' }, description: 'User names that may bind pods to nodes.' },
    disputedNodes: { type: 'array', items: { type: 'string' }, description: 'Nodes that are in no region, whatever their label says.' },
    disputedRegions: { type: 'array', items: { type: 'string' }, description: 'Regions in which no node counts; *: all.' },
    zones: { type: 'array', items: { type: 'string' }, description: 'Zones that count as regions of their own.' },
    policies: {
      type: 'array',
      // Texts instead of objects, because Gatekeeper converts the parameters of every matching
      // constraint on each review.
      description:
        'The policies that this constraint enforces: name, or namespace/name, of a SovereignPolicy, a space, its targetNamespace.',
      items: { type: 'string' },
    },
  },
};
