import { readFileSync } from 'node:fs';
import { NAMESPACES_PARAMETERS, NODES_PARAMETERS } from '@fso/shared/api';
import { expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { sortedSet } from '../compare.ts';
import { desiredFloor } from './floor/floor.ts';
import { OUR_API_SERVICES } from './foundation.ts';
import { TEMPLATE_NAME } from './gatekeeper/template.ts';
import { WEBHOOK_CONFIGURATION_NAME } from './gatekeeper/webhook-configuration.ts';
import { desiredGuard } from './guard/guard.ts';
import { injectionKinds, planInjection } from './injection/injection.ts';

interface Rule {
  /** Absent from a rule about paths. */
  readonly resources?: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

const RULES = parseAllDocuments(readFileSync(new URL('../../deploy/agent/rbac.yaml', import.meta.url), 'utf8')).flatMap(
  (document) => (document.toJS() as { rules?: readonly Rule[] }).rules ?? [],
);

/** Names that a verb on a resource is limited to; undefined: any. */
const namesOf = (resource: string, verb: string): readonly string[] | undefined => {
  const rules = RULES.filter(({ resources, verbs }) => resources?.includes(resource) === true && verbs.includes(verb));
  expect([resource, verb, rules.length]).toEqual([resource, verb, 1]);
  return rules[0]?.resourceNames;
};

const namesIn = (objects: readonly { readonly metadata: { readonly name: string } }[]): string[] =>
  sortedSet(objects.map(({ metadata }) => metadata.name));

const GUARD = desiredGuard({
  agent: 'system:serviceaccount:federated-sovereignty-system:fso-agent',
  binders: [],
  nodeLabelers: [],
  gatekeeperNamespace: 'gatekeeper-system',
});
const LOCK_ONE = namesIn([...desiredFloor(), ...GUARD.policies, ...GUARD.bindings]);
const INJECTION = namesIn(
  planInjection(injectionKinds('v1'), { policies: [], bindings: [] }, true).flatMap((action) =>
    action.type === 'apply' ? [action.body] : [],
  ),
);

// RBAC has no prefixes: a missing name cannot be installed, and a name too many could be taken
// over.
it.each<[resource: string, names: readonly string[]]>([
  ['validatingadmissionpolicies', LOCK_ONE],
  ['validatingadmissionpolicybindings', LOCK_ONE],
  ['mutatingadmissionpolicies', INJECTION],
  ['mutatingadmissionpolicybindings', INJECTION],
  ['constrainttemplates', [TEMPLATE_NAME]],
  ['floorparameters', [NAMESPACES_PARAMETERS, NODES_PARAMETERS]],
])('the rights on %s are limited to the objects that the agent writes', (resource, names) => {
  for (const verb of ['create', 'patch']) expect(sortedSet(namesOf(resource, verb) ?? [])).toEqual(names);
});

it('the right to delete APIServices is limited to the groups that the locks rely on', () => {
  expect(sortedSet(namesOf('apiservices', 'delete') ?? [])).toEqual(sortedSet(OUR_API_SERVICES));
});

it("the right to read webhook configurations is limited to Gatekeeper's", () => {
  for (const verb of ['list', 'watch']) expect(namesOf('validatingwebhookconfigurations', verb)).toEqual([WEBHOOK_CONFIGURATION_NAME]);
});
