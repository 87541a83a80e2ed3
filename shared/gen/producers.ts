import { stringify } from 'yaml';
import { z } from 'zod';
import { ManagedClusterDocument, RegionGroupDocument, RolloutStrategyDocument, SovereignPolicyDocument } from '../api/index.ts';
import { floorParametersCrd, sovereignPolicyCrd } from './crd.ts';
import type { Generated } from './generate.ts';

type Producer = () => readonly Generated[];

const crds: Producer = () =>
  Object.entries({ sovereignpolicies: sovereignPolicyCrd(), floorparameters: floorParametersCrd() }).map(([plural, crd]) => ({
    path: `crds/${plural}.yaml`,
    content: `# Generated from shared/api by npm run gen. Do not edit.\n${stringify(crd, { lineWidth: 0, aliasDuplicateObjects: false })}`,
  }));

/** JSON Schemas of the documents in a policy repository, for editors (`# yaml-language-server: $schema=…`). */
const editorSchemas: Producer = () =>
  Object.entries({
    SovereignPolicy: SovereignPolicyDocument,
    ManagedCluster: ManagedClusterDocument,
    RegionGroup: RegionGroupDocument,
    RolloutStrategy: RolloutStrategyDocument,
  }).map(([title, schema]) => ({
    path: `crds/schemas/${title.toLowerCase()}.json`,
    content: `${JSON.stringify({ title, ...z.toJSONSchema(schema, { target: 'draft-7', io: 'input' }) }, null, 2)}\n`,
  }));

export const PRODUCERS: readonly Producer[] = [crds, editorSchemas];
