import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import type { KubeObject } from '@fso/shared/api';
import type { KindDescriptor, KubeClient } from '@fso/shared/kube';
import { AgentHarness } from './agent-harness.ts';
import { openKubeClient } from './kube-client.ts';
import { startTestCluster } from './local-cluster.ts';

const RBAC = 'rbac.authorization.k8s.io';
const ROLES: KindDescriptor = { apiVersion: `${RBAC}/v1`, kind: 'Role', plural: 'roles', namespaced: true };
const ROLE_BINDINGS: KindDescriptor = { apiVersion: `${RBAC}/v1`, kind: 'RoleBinding', plural: 'rolebindings', namespaced: true };

interface ClusterOptions {
  readonly name: string;
  readonly gatekeeper: boolean;
}

/**
 * Control plane in region `eu-west-1` for one test, with its administrator, agents and tenants.
 * {@link close} ends all of them.
 */
export class ClusterHarness extends AgentHarness {
  readonly cluster: LocalCluster;
  /** Temporary folder, removed at the end. */
  readonly folder: string;
  readonly #tenants: KubeClient[] = [];

  private constructor(cluster: LocalCluster, folder: string, signal: AbortSignal) {
    super(cluster.kubeconfig, signal);
    this.cluster = cluster;
    this.folder = folder;
  }

  static async start({ name, gatekeeper }: ClusterOptions, signal: AbortSignal): Promise<ClusterHarness> {
    const folder = await mkdtemp(join(tmpdir(), `fso-${name}-`));
    const cluster = await startTestCluster({ name, stateDir: folder, regions: ['eu-west-1'], gatekeeper }, signal);
    return new ClusterHarness(cluster, folder, signal);
  }

  /**
   * Opens a client of the user `tenant`, who may do everything with the policies of one namespace,
   * and nothing else.
   */
  async openTenant(namespace: string): Promise<KubeClient> {
    const tenant = openKubeClient({ kubeconfig: await this.cluster.createUserKubeconfig('tenant') });
    this.#tenants.push(tenant);
    await this.makeNamespace(namespace);
    const rules = [{ apiGroups: ['compliance.federated.io'], resources: ['sovereignpolicies'], verbs: ['*'] }];
    const metadata = { name: 'policies', namespace };
    const roleRef = { apiGroup: RBAC, kind: 'Role', name: 'policies' };
    const subjects = [{ apiGroup: RBAC, kind: 'User', name: 'tenant' }];
    await this.client.apply(ROLES, { metadata, rules } as KubeObject, { fieldManager: 'test' }, this.signal);
    await this.client.apply(ROLE_BINDINGS, { metadata, roleRef, subjects } as KubeObject, { fieldManager: 'test' }, this.signal);
    return tenant;
  }

  override async close(): Promise<void> {
    await Promise.all(this.#tenants.map((tenant) => tenant.close()));
    await super.close();
    await this.cluster.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
