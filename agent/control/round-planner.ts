import { type CustomResourceDefinition, FLOOR_PARAMETERS_KIND, type KindDescriptor } from '@fso/shared/kube';
import { ParametersRenewal } from '../apply/index.ts';
import type { ClusterView } from '../cache/index.ts';
import { ServerDefaults, SettledDefinitions } from '../enforce/index.ts';
import type { RoundParts } from '../observation/index.ts';
import type { EventSink, TamperLog } from '../observe/index.ts';
import { DisputedNodes, NodeMoves, reportDisputed, reportMoves } from '../observe/index.ts';
import { type ClusterPlan, type ClusterSettings, type HubCommit, planCluster } from '../plan/index.ts';

/** Caches and settings that plans read, and receivers of what they reveal. */
export interface RoundPlannerDeps {
  readonly view: ClusterView;
  readonly settings: ClusterSettings;
  readonly parts: RoundParts;
  readonly events: EventSink;
  readonly tampering: TamperLog;
}

/**
 * Plans reconciles, each based on the previous one and on what was learnt about the cluster during
 * this term.
 */
export class RoundPlanner {
  /** Fields that the API server fills in. */
  readonly defaults = new ServerDefaults();
  readonly #deps: RoundPlannerDeps;
  readonly #definitions = new SettledDefinitions();
  readonly #renewal = new ParametersRenewal();
  /** Created by the first reconcile from the state of the cluster then. */
  #moves: NodeMoves | undefined;
  readonly #disputed = new DisputedNodes();
  #plan: ClusterPlan | undefined;

  constructor(deps: RoundPlannerDeps) {
    this.#deps = deps;
  }

  /**
   * Plans a reconcile.
   *
   * @param isIndexOpen whether probes show that lock 1 judges nothing by its index
   * @param commit commit of the hub, if any
   */
  plan(isIndexOpen: boolean, commit: HubCommit | undefined, now: Date): ClusterPlan {
    const { view, settings, parts } = this.#deps;
    parts.run('foundation', () => this.#takeOver(), undefined);
    parts.run('violations', () => this.#reportNodes(), undefined);
    const learnt = { defaults: this.defaults, settledDefinitions: this.#definitions, renewedAt: this.#renewal.due(isIndexOpen, now) };
    this.#plan = planCluster(view, { ...settings, ...learnt }, now, { previous: this.#plan, parts, commit });
    return this.#plan;
  }

  /** Time in ms until the parameters of lock 1 are written again, if they have to be. */
  renewalWaitMs(now: Date): number | undefined {
    return this.#renewal.waitMs(now);
  }

  /** Records a CRD after a write. */
  recordDefinition(definition: CustomResourceDefinition, now: Date): void {
    this.#definitions.recordWrite(definition);
    if (definition.spec.names.kind === FLOOR_PARAMETERS_KIND.kind) this.#renewal.noteDefinition(now);
  }

  /** Drops the record of a kind's CRD, as the CRD has changed since it was written. */
  forgetDefinition(kind: KindDescriptor): void {
    this.#definitions.forgetWrite(kind);
  }

  /**
   * Takes over what an earlier agent left, in the first reconcile, and its CRDs as soon as they can
   * be read.
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
    // The places are unknown, so the listed nodes stay as they are.
    if (view.places.inForce === undefined) return;
    const nodes = view.places.list();
    reportMoves(this.#moves.find(nodes), events);
    reportDisputed(this.#disputed.find(nodes), events);
  }
}
