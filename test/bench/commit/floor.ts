import { randomUUID } from 'node:crypto';
import { REGION_LABEL } from '@fso/shared/api';
import { type ApiObject, objectPath, openApi, type SetupApi } from '../../../clusters/local/api.ts';
import { eventually } from '../../harness/waiting.ts';

const NAMESPACE = 'fso-bench-floor';
const KIND = 'BenchResidency';
const TEMPLATE = '/apis/templates.gatekeeper.sh/v1/constrainttemplates';
const OWN_TEMPLATE = `${TEMPLATE}/k8sgeoresidency`;
const CONSTRAINTS = '/apis/constraints.gatekeeper.sh/v1beta1/benchresidency';
const CONFIG_MAP = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'policy', namespace: NAMESPACE } };
const MERGE_PATCH = 'application/merge-patch+json';

interface Template extends ApiObject {
  readonly spec: { readonly crd: { readonly spec: object }; readonly targets: unknown };
}

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'floor', namespace: NAMESPACE },
  spec: { containers: [{ name: 'main', image: 'registry.k8s.io/pause:3.10' }], nodeSelector: { [REGION_LABEL]: 'bench.invalid' } },
};

/**
 * Copies lock 2's template under another name. The agent ignores the copy and its constraints, and
 * Gatekeeper handles them like ours.
 */
const copyTemplate = async (api: SetupApi): Promise<void> => {
  const { spec } = await api.send<Template>('GET', OWN_TEMPLATE);
  const template = {
    apiVersion: 'templates.gatekeeper.sh/v1',
    kind: 'ConstraintTemplate',
    metadata: { name: KIND.toLowerCase() },
    spec: { ...spec, crd: { spec: { ...spec.crd.spec, names: { kind: KIND } } } },
  };
  await api.apply(`${TEMPLATE}/${KIND.toLowerCase()}`, template);
};

const constraintOf = (name: string): ApiObject => ({
  apiVersion: 'constraints.gatekeeper.sh/v1beta1',
  kind: KIND,
  metadata: { name },
  spec: {
    match: { kinds: [{ apiGroups: [''], kinds: ['Pod'] }], namespaces: [NAMESPACE] },
    parameters: { regions: ['eu-west-1'], policies: [`${name} ${NAMESPACE}`] },
  },
});

const refusalOf = async (api: SetupApi): Promise<string> => {
  try {
    await api.send('POST', `/api/v1/namespaces/${NAMESPACE}/pods?dryRun=All`, pod);
    return '';
  } catch (error) {
    return String(error);
  }
};

/**
 * Minimal work of a cluster for a changed policy, done by a client that knows what to write: the
 * policy, a constraint for it, dry runs until Gatekeeper refuses by that constraint, and the
 * result.
 */
export class ClusterFloor {
  readonly #api: SetupApi;
  #previous: string | undefined;

  constructor(kubeconfig: string) {
    this.#api = openApi(kubeconfig);
  }

  /** Resolves once Gatekeeper accepts constraints of the copied template. */
  async prepare(): Promise<void> {
    await this.#api.apply(`/api/v1/namespaces/${NAMESPACE}`, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
    await this.#api.apply(objectPath(CONFIG_MAP), { ...CONFIG_MAP, data: {} });
    await copyTemplate(this.#api);
    await eventually(async () => {
      await this.#api.send('GET', CONSTRAINTS);
      return (await refusalOf(this.#api)) === '';
    });
    await this.change();
  }

  /** Makes a change. Resolves once it is in force, and its result is written. */
  async change(): Promise<void> {
    const name = `bench-${randomUUID().slice(0, 8)}`;
    await this.#write({ policy: name });
    await this.#api.send('POST', CONSTRAINTS, constraintOf(name));
    if (this.#previous !== undefined) await this.#api.send('DELETE', `${CONSTRAINTS}/${this.#previous}`);
    this.#previous = name;
    while (!(await refusalOf(this.#api)).includes(`[${name}]`));
    await this.#write({ proven: name });
  }

  async #write(data: Readonly<Record<string, string>>): Promise<void> {
    await this.#api.send('PATCH', objectPath(CONFIG_MAP), { data }, MERGE_PATCH);
  }

  close(): void {
    this.#api.close();
  }
}
