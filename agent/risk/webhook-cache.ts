import type { KubeObject } from '@fso/shared/api';
import { canonicalJson, sha256 } from '@fso/shared/encoding';
import type { Informer, InformerFactory, KindDescriptor } from '@fso/shared/kube';
import { definedOnly, isPlain } from '../compare.ts';

const KIND: KindDescriptor<Reduced> = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  namespaced: false,
};

interface Reduced extends KubeObject {
  /**
   * Fingerprint of what decides how the webhook changes pods; absent if it is not called for them.
   */
  readonly digest?: string;
}

const asksFor = (rule: unknown): boolean =>
  isPlain(rule) && Array.isArray(rule['resources']) && rule['resources'].some((each) => ['pods', '*', '*/*'].includes(String(each)));

/**
 * Part of a webhook that decides what it does, without its certificate, which is renewed all the
 * time.
 */
const behaviour = (webhook: unknown): unknown => {
  if (!isPlain(webhook)) return webhook;
  const { clientConfig, ...rest } = webhook;
  const { caBundle: _renewed, ...client } = isPlain(clientConfig) ? clientConfig : {};
  return { ...rest, client };
};

const reduce = (configuration: KubeObject & { readonly webhooks?: unknown }): Reduced => {
  const { name, uid, resourceVersion } = configuration.metadata;
  const webhooks = Array.isArray(configuration.webhooks) ? configuration.webhooks : [];
  const ofPods = webhooks.filter((each) => isPlain(each) && Array.isArray(each['rules']) && each['rules'].some(asksFor));
  const digest = ofPods.length === 0 ? undefined : sha256(canonicalJson([uid, ofPods.map(behaviour)]));
  return { metadata: definedOnly({ name, uid, resourceVersion }) as KubeObject['metadata'], ...(digest !== undefined && { digest }) };
};

/**
 * Watches the mutating webhooks of pods. The fingerprint changes when one of them may change pods
 * differently. If the agent may not read webhooks, it never changes.
 */
export class WebhookCache {
  readonly #informer: Informer<Reduced>;
  readonly #changed = new Set<() => void>();
  #fingerprint: string | undefined;

  constructor(factory: InformerFactory) {
    this.#informer = factory.informer(KIND, { transform: reduce });
    this.#informer.onChange((_key, current, previous) => {
      if (current?.digest === previous?.digest) return;
      this.#fingerprint = undefined;
      for (const handler of this.#changed) handler();
    });
  }

  /** Fingerprint of the webhooks: unchanged while the same webhooks change pods in the same way. */
  get fingerprint(): string {
    this.#fingerprint ??= sha256(
      this.#informer
        .list()
        .flatMap(({ digest }) => digest ?? [])
        .sort()
        .join(),
    ).slice(0, 16);
    return this.#fingerprint;
  }

  /** @param handler called when the fingerprint changes */
  subscribe(handler: () => void): () => void {
    this.#changed.add(handler);
    return () => this.#changed.delete(handler);
  }

  /** Lists everything again. */
  restart(): void {
    this.#informer.restart();
  }
}
