import { type CustomResourceDefinition, FLOOR_PARAMETERS_KIND, type KindDescriptor } from '@fso/shared/kube';
import { ParametersRenewal } from '../apply/index.ts';
import type { ClusterView } from '../cache/index.ts';
import { ServerDefaults, SettledDefinitions } from '../enforce/index.ts';
import type { RoundParts } from '../observation/index.ts';
import type { EventSink, TamperLog } from '../observe/index.ts';
import { DisputedNodes, NodeMoves, reportDisputed, reportMoves } from '../observe/index.ts';
import { type ClusterPlan, type ClusterSettings, type HubCommit, planCluster } from '../plan/index.ts';

/** Caches and settings that plans read, and receivers of what they find. */
export interface RoundPlannerDeps {
  readonly view: ClusterView;
  readonly settings: ClusterSettings;
  readonly parts: RoundParts;
  readonly events: EventSink;
  readonly tampering: TamperLog;
}

/**
 * Plans rounds, each by the one before and by what was learnt of the cluster since the term began.
 */
export class RoundPlanner {
  /** Fields that the API server fills in. */
  readonly defaults = new ServerDefaults();
  readonly #deps: RoundPlannerDeps;
  readonly #definitions = new SettledDefinitions();
  readonly #renewal = new ParametersRenewal();
  /** Created in the first round, from the state of the cluster then. */
  #moves: NodeMoves | undefined;
  readonly #disputed = new DisputedNodes();
  #plan: ClusterPlan | undefined;

  constructor(deps: RoundPlannerDeps) {
    this.#deps = deps;
  }

  /**
   * @param isIndexOpen whether lock 1 was seen to judge nothing by its index @param commit of the
   * hub
   */
  plan(isIndexOpen: boolean, commit: HubCommit | undefined, now: Date): ClusterPlan {
    const { view, settings, parts } = this.#deps;
    parts.run('foundation', () => this.#takeOver(), undefined);
    parts.run('violations', () => this.#reportNodes(), undefined);
    const learnt = { defaults: this.defaults, settledDefinitions: this.#definitions, renewedAt: this.#renewal.due(isIndexOpen, now) };
    this.#plan = planCluster(view, { ...settings, ...learnt }, now, { previous: this.#plan, parts, commit });
    return this.#plan;
  }

  /** Ms until the parameters of lock 1 are written again; undefined: they need not be. */
  renewalWaitMs(now: Date): number | undefined {
    return this.#renewal.waitMs(now);
  }

  /** Takes note of a CRD as a write left it. */
  recordDefinition(definition: CustomResourceDefinition, now: Date): void {
    this.#definitions.recordWrite(definition);
    if (definition.spec.names.kind === FLOOR_PARAMETERS_KIND.kind) this.#renewal.noteDefinition(now);
  }

  /** Forgets the written CRD of a kind, which has changed since. */
  forgetDefinition(kind: KindDescriptor): void {
    this.#definitions.forgetWrite(kind);
  }

  /**
   * Looks in the first round at what an earlier agent left, and at its CRDs as soon as they can be
   * read.
   */
  #takeOver(): void {
    const { view, settings, events, tampering } = this.#deps;
    if (this.#plan === undefined) tampering.restore(view.livePolicies());
    if (!view.areDefinitionsReadable) return;
    const message = this.#definitions.takeOver({ desired: settings.definitions, observed: (name) => view.definition(name) });
    if (message !== undefined) events.ofCluster({ severity: 'warning', reason: 'NewerSchema', message });
  }

  #reportNodes(): void {
    const { view, events } = this.#deps;
    this.#moves ??= new NodeMoves(view.parameters.list());
    // Where nodes are is not known, and what is listed stays as it is.
    if (view.places.inForce === undefined) return;
    const nodes = view.places.list();
    reportMoves(this.#moves.find(nodes), events);
    reportDisputed(this.#disputed.find(nodes), events);
  }
}
