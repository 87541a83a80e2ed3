import { REGION_LABEL } from '@fso/shared/api';
import type { KubeClient } from '@fso/shared/kube';
import { startMutatingWebhook } from '../harness/mutating-webhook.ts';

/**
 * Serves a webhook that moves new pods according to their label `webhook`: `mend` moves them
 * inside, `spoil` outside, and `strand` to a node that does not exist.
 *
 * @returns function that stops it
 */
export const startPlacementWebhook = (
  client: KubeClient,
  { inside, outside }: { readonly inside: string; readonly outside: string },
  signal: AbortSignal,
): Promise<() => Promise<void>> =>
  startMutatingWebhook(
    client,
    ({ metadata, spec }) => {
      switch (metadata.labels?.['webhook']) {
        case 'mend':
          return { ...spec.nodeSelector, [REGION_LABEL]: inside };
        case 'spoil':
          return { [REGION_LABEL]: outside };
        case 'strand':
          return { ...spec.nodeSelector, disk: 'none-has-it' };
        default:
          return undefined;
      }
    },
    signal,
  );
