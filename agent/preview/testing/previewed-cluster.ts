import { type ClusterEvent, type ClusterPreview, REGION_LABEL, SovereignPolicySpec, type SovereignPolicySpecInput } from '@fso/shared/api';
import type { CompiledPolicy } from '@fso/shared/compile';
import { FakeClock } from '@fso/shared/fake-clock';
import type { Preview } from '@fso/shared/protocol';
import { createLogger } from '@fso/shared/runtime';
import { Registry } from 'prom-client';
import type { Pod } from '../../cache/index.ts';
import type { NamespaceInput, PolicyInput } from '../../enforce/index.ts';
import { createAgentMetrics } from '../../metrics.ts';
import { LiveObservatory } from '../../observe/index.ts';
import type { TemplateAnswer } from '../../probe/index.ts';
import { type Owner, type OwnerCache, readTemplate, ShapeRecorder } from '../../risk/index.ts';
import { Previewer, type PreviewerDeps } from '../previewer.ts';

/** Digest of the list of policies that the cluster has. */
export const LIST = 'a'.repeat(64);
export const [WEST, CENTRAL, US] = ['eu-west-1', 'eu-central-1', 'us-east-1'];

/** A clock by which each look at it takes a millisecond. */
class WorkClock extends FakeClock {
  #workMs = 0;

  /** Lets a step take time. */
  work(ms: number): void {
    this.#workMs += ms;
  }

  override monotonicMs(): number {
    this.#workMs += 1;
    return super.monotonicMs() + this.#workMs;
  }
}

/** The spec of a policy that denies in a namespace outside of these regions. */
export const denying = (
  targetNamespace: string,
  allowedRegions: string[],
  more: Partial<SovereignPolicySpecInput> = {},
): SovereignPolicySpecInput => ({ targetNamespace, allowedRegions, ...more });

const compiled = (name: string, spec: SovereignPolicySpec): CompiledPolicy => ({
  name,
  labels: {},
  spec,
  enforcementAction: spec.enforcementAction,
  effectiveRegions: spec.allowedRegions,
  sourcePath: `policies/${name}.yaml`,
  digest: name,
});

const OBSERVED = { oldestPartMs: 0, oldestKindMs: 0, outOfDate: [] };

type Kinds = Parameters<ReturnType<OwnerCache['ownersIn']>['get']>[0];
type Placement = Readonly<Record<string, unknown>>;

/** A cluster in memory, with the rooms that answer what a change of its policies would do. */
export class PreviewedCluster {
  readonly clock = new WorkClock();
  readonly observatory = new LiveObservatory({
    policies: new Map(),
    cluster: { agentVersion: 'test', kubernetesVersion: 'v1', gatekeeper: { state: 'Absent' }, nodesByRegion: {}, conditions: [] },
  });
  readonly shapes = new ShapeRecorder({ clock: this.clock, isInjecting: () => false, hasPod: () => true });
  readonly events: Pick<ClusterEvent, 'severity' | 'reason' | 'message'>[] = [];
  readonly logged: string[] = [];
  readonly metrics = createAgentMetrics(new Registry(), 'test');
  /** Answers of dry runs, by target. Without one, and not {@link untried}: unanswered. */
  readonly answers = new Map<string, TemplateAnswer>();
  readonly untried = new Set<string>();
  readonly leftOut = new Map<string, number>();
  readonly local: PolicyInput[] = [];
  ages: ReturnType<LiveObservatory['ages']> = OBSERVED;
  isEnforcing: boolean = false;
  injects: boolean = true;
  ownersProblem: string | undefined;
  readonly #owners = new Map<string, Map<Kinds, Map<string, Owner>>>();
  readonly #pods = new Map<string, Pod[]>();
  readonly #regions = new Map<string, string>();
  readonly #names = new Map<string, boolean>();

  constructor() {
    this.shapes.begin();
    this.accept({});
    this.observatory.follow(() => this.ages);
    for (const [name, region] of [
      ['w', WEST],
      ['c', CENTRAL],
      ['u', US],
    ] as const)
      this.#regions.set(name, region ?? '');
  }

  /** Puts a list of the hub in force. */
  accept(policies: Readonly<Record<string, SovereignPolicySpecInput>>, digest = LIST): void {
    const desired = Object.entries(policies).map(
      ([name, spec]) => [name, { policy: compiled(name, SovereignPolicySpec.parse(spec)), since: 'c' }] as const,
    );
    const accepted = { digest, policies: new Map(desired), generationOf: () => 1, version: 1, isChanging: false };
    const facts = { revision: 'c', provenRevision: 'c', verification: 'verified' } as const;
    this.observatory.publish({ ...this.observatory.snapshot(), asOf: this.clock.now(), revision: { facts, accepted } });
  }

  addNamespace(name: string, terminating = false): void {
    this.#names.set(name, terminating);
  }

  /** Adds an owner whose template asks for these labels of a node. */
  addOwner(kind: Kinds, place: string, nodeSelector: Record<string, string> | undefined, more: Partial<Owner> = {}): void {
    const [namespace = '', name = ''] = place.split('/');
    const template = this.template(nodeSelector === undefined ? {} : { nodeSelector });
    this.addObject(kind, { metadata: { name, namespace, uid: `${kind}-${name}` }, ...(template && { template }), ...more });
  }

  /** Adds an owner as it is kept. */
  addObject(kind: Kinds, owner: Owner): void {
    const { namespace = '', name } = owner.metadata;
    if (!this.#names.has(namespace)) this.addNamespace(namespace);
    const kinds = this.#owners.get(namespace) ?? new Map<Kinds, Map<string, Owner>>();
    const owners = kinds.get(kind) ?? new Map<string, Owner>();
    owners.set(name, owner);
    this.#owners.set(namespace, kinds.set(kind, owners));
  }

  /** The placement of a template or a pod. */
  template(spec: Placement) {
    return readTemplate({ spec });
  }

  /** Adds a running pod. @param controller absent: it has none */
  addPod(place: string, nodeName: string, controller?: Pod['controller'], phase = 'Running'): void {
    const [namespace = '', name = ''] = place.split('/');
    const pods = this.#pods.get(namespace) ?? [];
    pods.push({ metadata: { name, namespace }, spec: { nodeName }, status: { phase }, ...(controller && { controller }) } as Pod);
    this.#pods.set(namespace, pods);
  }

  addNode(name: string, region: string): void {
    this.#regions.set(name, region);
  }

  open(changes: Partial<PreviewerDeps> = {}, signal: AbortSignal = new AbortController().signal): Previewer {
    const facts = [...this.#regions].map(([name, region]) => ({ name, region, labels: { [REGION_LABEL]: region }, taints: [] }));
    const byName = new Map(facts.map((node) => [node.name, { ...node, verdict: 'unchecked', reason: '' }]));
    const cluster = this;
    const namespaceInputs = (): NamespaceInput[] =>
      [...this.#names].map(([name, terminating]) => ({ name, terminating, labels: {}, annotations: {} }));
    const view = {
      policyInputs: () => this.local,
      namespaceInputs,
      podsIn: (namespace: string) => this.#pods.get(namespace) ?? [],
      places: { facts, byName, providers: { catalog: undefined, providers: new Set(), ambiguous: new Map() }, inForce: {} },
    };
    const log = { write: (line: string) => void this.logged.push(line) };
    return new Previewer(
      {
        clock: this.clock,
        logger: createLogger({ name: 'test', level: 'trace', destination: log }),
        mode: 'names',
        observatory: this.observatory,
        view: view as unknown as PreviewerDeps['view'],
        owners: {
          ownersIn: (namespace) => this.#owners.get(namespace) ?? new Map(),
          leftOut: this.leftOut,
          get problem() {
            return cluster.ownersProblem;
          },
        },
        shapes: this.shapes,
        dryRuns: { answer: (target) => (this.untried.has(target) ? undefined : (this.answers.get(target) ?? { kind: 'unanswered' })) },
        injects: () => this.injects,
        place: { gatekeeperNamespace: 'gatekeeper-system' },
        isEnforcing: () => this.isEnforcing,
        events: { ofCluster: (event) => void this.events.push(event), recordOn: () => undefined },
        metrics: this.metrics,
        ...changes,
      },
      signal,
    );
  }

  /** Asks, and lets time pass until the answer is there. */
  async ask(
    question: Partial<Preview> = {},
    { previewer = this.open(), isWanted = () => true }: { previewer?: Previewer; isWanted?: () => boolean } = {},
  ): Promise<ClusterPreview> {
    let answer: ClusterPreview | undefined;
    void previewer.answer(questionOf(question), isWanted).then((frame) => {
      answer = frame.answer;
    });
    while (answer === undefined) await this.clock.advance(50);
    return answer;
  }

  /** Answers that were counted, by outcome. */
  async outcomes(): Promise<Readonly<Record<string, number>>> {
    const { values } = await this.metrics.previews.get();
    return Object.fromEntries(values.filter(({ value }) => value > 0).map(({ labels, value }) => [labels['outcome'], value]));
  }
}

/** Builds a question for a preview. Default: it changes nothing. */
export const questionOf = (question: Partial<Preview>): Preview => ({
  ...{ type: 'preview', id: 1, list: LIST, put: [], removed: [], at: null, withoutRegions: [] },
  ...question,
});

/** The policies of a question, by name. */
export const put = (...policies: readonly (readonly [name: string, ...Parameters<typeof denying>])[]) =>
  policies.map(([name, ...spec]) => ({ name, spec: denying(...spec) }));
