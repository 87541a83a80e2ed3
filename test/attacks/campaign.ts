import { NAMESPACE_KIND, SERVICE_ACCOUNT_KIND } from '@fso/shared/kube';
import { mapConcurrently } from '@fso/shared/runtime';
import { eventually } from '../harness/waiting.ts';
import type { Arena } from './arena.ts';
import type { Attacker } from './attacker.ts';
import { type Attack, podsOf, type Scene, settled } from './scene.ts';

const IN_FLIGHT = 12;

/**
 * Prefix of a namespace: no policy governs `free-*`, a local policy governs `atk-*`, and a policy
 * of the hub governs each `hub-*`.
 */
const prefixOf = (attack: Attack, setting: string): string =>
  setting === 'free' ? 'free' : `${attack.hubPolicy ? 'hub' : 'atk'}-${setting}`;

const nameIn = (attack: Attack, setting: string): string => {
  const slug = attack.name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/-$/, '');
  return `${prefixOf(attack, setting)}-${slug}`.slice(0, 55);
};

/** The attacks of one setting of the locks, each with a namespace of its own. */
export class Campaign {
  readonly scenes: ReadonlyMap<Attack, Scene>;
  readonly #arena: Arena;

  private constructor(arena: Arena, scenes: ReadonlyMap<Attack, Scene>) {
    this.#arena = arena;
    this.scenes = scenes;
  }

  /**
   * Creates the namespaces, gives Mallory access, and runs the steps that come before any policy.
   */
  static async prepare(arena: Arena, setting: string, attacks: readonly Attack[]): Promise<Campaign> {
    const [mallory, meddler] = await Promise.all([arena.user('mallory'), arena.user('meddler')]);
    const scenes = new Map(attacks.map((attack) => [attack, sceneOf(arena, nameIn(attack, setting), { mallory, meddler })]));
    const own = [...scenes].flatMap(([{ ownNode }, { node }]) => (ownNode === undefined ? [] : [[node, ownNode] as const]));
    await arena.addOutsideNodes(new Map(own));
    await mapConcurrently([...scenes.values()], IN_FLIGHT, (scene) => openNamespace(arena, scene));
    await mapConcurrently([...scenes], IN_FLIGHT, async ([attack, scene]) => attack.before?.(scene));
    return new Campaign(arena, scenes);
  }

  /** Runs one attack. @returns its pods that were bound outside, as `namespace/name on node` */
  async run(attack: Attack): Promise<string[]> {
    const scene = this.#sceneOf(attack);
    await attack.steps(scene);
    await settled(scene);
    return this.#outside(scene);
  }

  /** Pods that attacks of this setting have placed outside so far. */
  async allOutside(attacks: readonly Attack[]): Promise<string[]> {
    return (await mapConcurrently(attacks, IN_FLIGHT, (attack) => this.#outside(this.#sceneOf(attack)))).flat();
  }

  async #outside(scene: Scene): Promise<string[]> {
    // The watch may lag behind.
    for (const pod of await podsOf(scene)) this.#arena.note(pod);
    return this.#arena.outside(scene.namespaces);
  }

  #sceneOf(attack: Attack): Scene {
    const scene = this.scenes.get(attack);
    if (scene === undefined) throw new Error(`${attack.name} is not prepared`);
    return scene;
  }
}

const sceneOf = (arena: Arena, namespace: string, who: { mallory: Attacker; meddler: Attacker }): Scene => ({
  namespace,
  namespaces: [namespace],
  freshNamespace: (suffix) => `${namespace}-${suffix}`,
  node: `node-of-${namespace}`,
  ...who,
  as: async (user, groups) => {
    await arena.letIn(user, namespace);
    const attacker = await arena.user(user, groups);
    await hasRights(attacker, namespace);
    return attacker;
  },
  admin: arena.admin,
  signal: arena.signal,
});

const openNamespace = async (arena: Arena, { namespace, mallory }: Scene): Promise<void> => {
  const { admin, signal } = arena;
  await admin.create(NAMESPACE_KIND, { metadata: { name: namespace } }, {}, signal);
  await arena.letIn('mallory', namespace);
  await eventually(() => admin.get(SERVICE_ACCOUNT_KIND, { namespace, name: 'default' }, signal));
  await hasRights(mallory, namespace);
};

/** The API server's authorizer sees a new RoleBinding a moment later. */
const hasRights = (attacker: Attacker, namespace: string): Promise<unknown> =>
  eventually(async () => {
    const review = (attributes: object) => ({
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes: { namespace, ...attributes } },
    });
    const mayAll = [
      { verb: 'create', resource: 'pods' },
      { verb: 'create', resource: 'pods', subresource: 'binding' },
    ].map((attributes) => attacker.ask(review(attributes)));
    return (await Promise.all(mayAll)).every(Boolean);
  });
