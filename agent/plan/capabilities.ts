import type { BindGateMode } from '../enforce/index.ts';

/** What this API server can have. */
export interface Capabilities {
  readonly kubernetesVersion: string;
  /** ValidatingAdmissionPolicy, stable since Kubernetes 1.30. */
  readonly floor: boolean;
  /** How the bind gate, which is there where the floor is, learns a node's region: a Binding says it since Kubernetes 1.35. */
  readonly bindGate: BindGateMode;
  /** In which version MutatingAdmissionPolicy would be served: stable since Kubernetes 1.36. Whether it is, the view knows. */
  readonly injection: 'v1' | 'v1beta1';
}

/** @param bindGate `list`: as if the API server said nothing of the region, whatever its version */
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
