import type { KubeObject } from '@fso/shared/api';

/** Fields of an object with a pod template from which a pod is built. */
interface Templated extends KubeObject {
  readonly spec?: {
    readonly template?: PodTemplateSpec;
    readonly jobTemplate?: { readonly spec?: { readonly template?: PodTemplateSpec } };
    readonly volumeClaimTemplates?: readonly { readonly metadata?: { readonly name?: string } }[];
    readonly serviceName?: string;
  };
  /** Patch in a ControllerRevision. Its template replaces the whole template. */
  readonly data?: { readonly spec?: { readonly template?: PodTemplateSpec & { readonly $patch?: string } } };
}

interface PodTemplateSpec {
  readonly metadata?: { readonly labels?: Record<string, string>; readonly annotations?: Record<string, string> };
  readonly spec?: { readonly volumes?: readonly object[] } & object;
}

/** Controller of the pods. It may not exist before it creates the first one. */
export interface PodController {
  readonly apiVersion: string;
  readonly kind: string;
}

const templateOf = ({ spec, data }: Templated): PodTemplateSpec | undefined =>
  data?.spec?.template ?? spec?.jobTemplate?.spec?.template ?? spec?.template;

/** Volumes for the claims of a StatefulSet, which its containers mount. */
const claimVolumes = ({ spec }: Templated): readonly object[] =>
  (spec?.volumeClaimTemplates ?? []).map(({ metadata: { name = '' } = {} }) => ({
    name,
    persistentVolumeClaim: { claimName: `${name}-fso-probe` },
  }));

/**
 * Builds the pod that a controller would create from the template of an object, under its own name.
 *
 * @param set StatefulSet, if the object is a revision of it
 * @returns undefined if the object has no template
 */
export const podOfTemplate = (object: KubeObject, controller: PodController, set: KubeObject = object): KubeObject | undefined => {
  const template = templateOf(object);
  if (template?.spec === undefined) return undefined;
  const { name, namespace = '', uid = '' } = set.metadata;
  const claims = claimVolumes(set as Templated);
  const volumes = [...(template.spec.volumes ?? []), ...claims];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `${name.slice(0, 50)}-`,
      namespace,
      labels: template.metadata?.labels ?? {},
      annotations: template.metadata?.annotations ?? {},
      ownerReferences: [{ ...controller, name, uid, controller: true }],
    },
    spec: volumes.length === 0 ? template.spec : { ...template.spec, volumes },
  } as unknown as KubeObject;
};
