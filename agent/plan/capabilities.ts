import type { KubeClient } from '@fso/shared/kube';
import type { Runtime } from '@fso/shared/runtime';
import type { BindGateMode } from '../enforce/index.ts';

/** Features that this API server can have. */
export interface Capabilities {
  readonly kubernetesVersion: string;
  /** ValidatingAdmissionPolicy, stable since Kubernetes 1.30. */
  readonly floor: boolean;
  /**
   * Source of a node's region for the bind gate, which exists if the floor does. A Binding has the
   * region since Kubernetes 1.35.
   */
  readonly bindGate: BindGateMode;
  /**
   * Version in which MutatingAdmissionPolicy would be served: stable since Kubernetes 1.36. The
   * view knows whether it is served.
   */
  readonly injection: 'v1' | 'v1beta1';
}

/**
 * Derives the features of an API server from its version.
 *
 * @param bindGate `list`: ignore the regions that Bindings have in this version
 */
export const capabilitiesOf = (kubernetesVersion: string, bindGate: 'auto' | 'list' = 'auto'): Capabilities => {
  const [, major = '0', minor = '0'] = /^v?(\d+)\.(\d+)/.exec(kubernetesVersion) ?? [];
  const atLeast = (wanted: number): boolean => Number(major) > 1 || Number(minor) >= wanted;
  return {
    kubernetesVersion,
    floor: atLeast(30),
    bindGate: atLeast(35) && bindGate === 'auto' ? 'label' : 'list',
    injection: atLeast(36) ? 'v1' : 'v1beta1',
  };
};

const EVERY_MS = 60_000;
/**
 * Consecutive responses that must show a change. During an upgrade of the control plane, API
 * servers of both versions respond in turn.
 */
const IN_A_ROW = 3;

/** The API server, and its capabilities at the agent's start. */
export interface UpgradeWatchOptions extends Pick<Runtime, 'clock' | 'logger'> {
  readonly client: Pick<KubeClient, 'version'>;
  readonly known: Capabilities;
  readonly capabilitiesOf: (kubernetesVersion: string) => Capabilities;
}

/**
 * Resolves once the API server has other capabilities than at the agent's start. Rejects with the
 * signal's reason.
 */
export const untilUpgraded = async (
  { client, clock, logger, known, capabilitiesOf }: UpgradeWatchOptions,
  signal: AbortSignal,
): Promise<void> => {
  let different = 0;
  while (different < IN_A_ROW) {
    await clock.sleep(EVERY_MS, signal);
    // A failed request shows nothing about the version.
    const version = await client.version(signal).catch(() => undefined);
    if (version !== undefined) different = isSame(capabilitiesOf(version), known) ? 0 : different + 1;
  }
  logger.info({ kubernetesVersion: known.kubernetesVersion }, 'the API server has another version');
};

/**
 * Whether two API servers have the same features. Their versions may still differ, e.g. by a patch
 * release.
 */
const isSame = (a: Capabilities, b: Capabilities): boolean =>
  a.floor === b.floor && a.bindGate === b.bindGate && a.injection === b.injection;
