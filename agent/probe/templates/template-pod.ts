import type { KubeObject } from '@fso/shared/api';

/** An object with a pod template, as far as a pod is made of it. */
interface Templated extends KubeObject {
  readonly spec?: {
    readonly template?: PodTemplateSpec;
    readonly jobTemplate?: { readonly spec?: { readonly template?: PodTemplateSpec } };
    readonly volumeClaimTemplates?: readonly { readonly metadata?: { readonly name?: string } }[];
    readonly serviceName?: string;
  };
  /** The patch in a ControllerRevision, whose template replaces all of it. */
  readonly data?: { readonly spec?: { readonly template?: PodTemplateSpec & { readonly $patch?: string } } };
}

interface PodTemplateSpec {
  readonly metadata?: { readonly labels?: Record<string, string>; readonly annotations?: Record<string, string> };
  readonly spec?: { readonly volumes?: readonly object[] } & object;
}

/** The controller of the pods, which may be made only when it makes the first one. */
export interface PodController {
  readonly apiVersion: string;
  readonly kind: string;
}

const templateOf = ({ spec, data }: Templated): PodTemplateSpec | undefined =>
  data?.spec?.template ?? spec?.jobTemplate?.spec?.template ?? spec?.template;

/** Volumes of the claims of a StatefulSet, without which its containers cannot mount them. */
const claimVolumes = ({ spec }: Templated): readonly object[] =>
  (spec?.volumeClaimTemplates ?? []).map(({ metadata: { name = '' } = {} }) => ({
    name,
    persistentVolumeClaim: { claimName: `${name}-fso-probe` },
  }));

/**
 * The pod that a controller would make of the template of an object, under a name of its own.
 *
 * @param set the StatefulSet, where the object is a revision of it
 * @returns undefined: the object has no template
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
