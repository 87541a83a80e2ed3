import { RolloutRules } from './rollout-rules.ts';
import type { Moment, RolloutWorld } from './rollout-world.ts';

/** The rules of a rollout, and that signers do not wait for their wave. */
export class SignerRules extends RolloutRules {
  readonly #world: RolloutWorld;
  /** Commit in force, and place of the newest one that the agent was shown, by cluster. */
  readonly #before = new Map<string, { readonly accepted: string | null; readonly shown: number }>();

  constructor(world: RolloutWorld) {
    super(world);
    this.#world = world;
  }

  override check(before: Moment, isStored = true): void {
    const { clusters, commits } = this.#world;
    for (const { name, accepted, awaySince } of clusters.values()) {
      const known = this.#before.get(name);
      const [at, shown] = [this.#world.indexOf(accepted), known?.shown ?? -1];
      const isNew = accepted !== (known?.accepted ?? null);
      if (isNew && commits[at]?.isStolen === true && at < shown && commits[shown]?.trustsStolen === false)
        throw new Error(`${name} took ${accepted}, whose key ${commits[shown]?.revision} has taken out`);
      const isShown = isStored && awaySince === null && accepted !== null;
      this.#before.set(name, { accepted, shown: isShown ? commits.length - 1 : shown });
    }
    super.check(before, isStored);
  }
}
