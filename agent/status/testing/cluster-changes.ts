import type { SovereignPolicyStatus } from '@fso/shared/api';
import fc from 'fast-check';
import type { Pod } from '../../cache/index.ts';
import type { GatekeeperProblem, WriteFailure } from '../../enforce/index.ts';
import { ANSWERS, type ClusterModel, NAMES, type Name, POLICIES } from './cluster-model.ts';
import type { PublisherHarness } from './publisher-harness.ts';

const toggle = (set: Set<string>, item: string): void => void (set.delete(item) || set.add(item));
const stray = (name: Name): Pod =>
  ({ metadata: { name: 'stray', namespace: name, uid: name }, spec: { nodeName: 'gone' } }) as unknown as Pod;
const failing = (key: string, policies: readonly string[]): WriteFailure => ({ key, policies, error: 'refused', failures: 5 });

/** A change of a cluster. */
export interface Change {
  readonly what: string;
  readonly apply: (model: ClusterModel, publishers: readonly PublisherHarness[]) => Promise<void> | void;
}

const FLAGS = ['floorWhole', 'injectionInstalled', 'gatekeeperServed', 'refusesStatuses', 'isUnobserved'] as const;
const flip =
  (flag: (typeof FLAGS)[number]): Change['apply'] =>
  (model) => {
    model[flag] = !model[flag];
  };
const assign =
  (state: Partial<Pick<ClusterModel, 'failures' | 'outages' | 'webhookProblem'>>): Change['apply'] =>
  (model) =>
    void Object.assign(model, state);

const name = fc.constantFrom(...NAMES);
const answer = fc.constantFrom(...ANSWERS);
const action = fc.constantFrom('geo-deny', 'geo-warn', 'geo-dryrun');
const change = (what: string, apply: Change['apply']): Change => ({ what, apply });

/** Any change that the status of policies may follow. */
export const anyChange: fc.Arbitrary<Change> = fc.oneof(
  fc.constantFrom(10, 1_500, 40_000, 3_700_000, 5 * 86_400_000).map((ms) => change(`${ms} ms`, ({ clock }) => clock.advance(ms))),
  fc.tuple(name, answer).map(([of, state]) => change(`lock 1 of ${of} ${state}`, (model) => model.probe(of, state))),
  fc.tuple(name, answer).map(([of, state]) => change(`lock 2 of ${of} ${state}`, (model) => model.ask(of, state))),
  name.map((of) => change(`labels of ${of} wait`, ({ unapplied }) => toggle(unapplied, of))),
  name.map((of) => change(`index has ${of}`, ({ indexed }) => toggle(indexed, of))),
  fc.constantFrom(...POLICIES.map(({ key }) => key)).map((key) => change(`index lacks ${key}`, ({ unlisted }) => toggle(unlisted, key))),
  name.map((of) =>
    change(`labels of ${of}`, ({ namespaces, clock }) => {
      namespaces.set(of, { metadata: { name: of, labels: { 'compliance.gov/at': String(clock.monotonicMs()) } } });
    }),
  ),
  name.map((of) => change(`pods of ${of}`, ({ pods }) => void pods.set(of, pods.get(of)?.length === 0 ? [stray(of)] : []))),
  name.map((of) =>
    change(`the webhook leaves ${of} out`, ({ exclusions }) => {
      if (!exclusions.delete(of)) exclusions.set(of, { message: `${of} is left out`, isError: true });
    }),
  ),
  fc
    .constantFrom<GatekeeperProblem | undefined>(undefined, { message: 'objectSelector', isError: true })
    .map((webhookProblem) => change(`webhook: ${webhookProblem?.message}`, assign({ webhookProblem }))),
  action.map((of) => change(`${of} is missing`, ({ missing }) => toggle(missing, of))),
  action.map((of) => change(`${of} is not in force`, ({ notInForce }) => toggle(notInForce, of))),
  fc
    .constantFrom<readonly WriteFailure[]>(
      [],
      [failing('Namespace/finance', ['team/finance'])],
      [failing('K8sGeoResidency/geo-warn-x', ['team/payments'])],
      [failing('ValidatingAdmissionPolicy/fso-floor-pods-deny', [])],
      [failing('MutatingAdmissionPolicy/fso-placement-injection', [])],
    )
    .map((failures) => change(`failing ${failures[0]?.key}`, assign({ failures }))),
  fc.constantFrom(...FLAGS).map((flag) => change(flag, flip(flag))),
  fc
    .constantFrom({}, { one: 'open' }, { two: 'away' }, { index: 'mute' }, { index: 'silent' })
    .map((outages) => change('outages', assign({ outages }))),
  name.map((of) =>
    change(`tampering with ${of}`, ({ clock }, publishers) => {
      for (const { tampering } of publishers) tampering.add([`team/${of}`], { time: clock.now().toISOString(), message: 'changed' });
    }),
  ),
  fc.constantFrom(...POLICIES.map(({ key }) => key)).map((key) =>
    change(`status of ${key}`, ({ live }) => {
      const policy = live.get(key);
      if (policy !== undefined) live.set(key, { ...policy, status: { phase: 'Active' } as SovereignPolicyStatus });
    }),
  ),
  fc.constantFrom(0, 1, 2).map((index) =>
    change(`policy ${index} comes or goes`, (model) => {
      const one = POLICIES[index];
      model.policies = one === undefined || model.policies.includes(one) ? POLICIES.filter((other) => other !== one) : POLICIES;
    }),
  ),
);
