import { z } from 'zod';

/** The fields that the decision reads, as core/v1 has them; the API server takes null for absent. All else is left alone. */

const Requirement = z.looseObject({ key: z.string(), operator: z.string(), values: z.array(z.string()).nullish() });
const Requirements = z.array(Requirement).nullish();
const Term = z.looseObject({ matchExpressions: Requirements, matchFields: Requirements }).nullable();
const Required = z.looseObject({ nodeSelectorTerms: z.array(Term).nullish() }).nullish();
const NodeAffinity = z.looseObject({ requiredDuringSchedulingIgnoredDuringExecution: Required }).nullish();

const PodSpec = z.looseObject({
  nodeName: z.string().nullish(),
  nodeSelector: z.record(z.string(), z.string()).nullish(),
  affinity: z.looseObject({ nodeAffinity: NodeAffinity }).nullish(),
});

const Owner = z.looseObject({ apiVersion: z.string(), kind: z.string(), controller: z.boolean().nullish() });
const Metadata = z.looseObject({
  name: z.string().nullish(),
  generateName: z.string().nullish(),
  namespace: z.string().nullish(),
  uid: z.string().nullish(),
  ownerReferences: z.array(Owner).nullish(),
});

const Template = z.looseObject({ spec: PodSpec });

/** Where the pod spec of each kind stands. */
const POD: readonly string[] = ['spec'];
const TEMPLATE: readonly string[] = ['spec', 'template', 'spec'];
const JOB_TEMPLATE: readonly string[] = ['spec', 'jobTemplate', 'spec', 'template', 'spec'];

interface WorkloadKind {
  readonly schema: z.ZodType;
  readonly podSpec: readonly string[];
}

const object = (spec: z.ZodType): z.ZodType => z.looseObject({ metadata: Metadata.default({}), spec });
const templated: WorkloadKind = { schema: object(z.looseObject({ template: Template })), podSpec: TEMPLATE };

/** Kinds that make pods, by name. */
export const WORKLOAD_KINDS: ReadonlyMap<string, WorkloadKind> = new Map([
  ['Pod', { schema: object(PodSpec), podSpec: POD }],
  ['Deployment', templated],
  ['StatefulSet', templated],
  ['DaemonSet', templated],
  ['ReplicaSet', templated],
  ['ReplicationController', templated],
  ['Job', templated],
  [
    'CronJob',
    {
      schema: object(z.looseObject({ jobTemplate: z.looseObject({ spec: z.looseObject({ template: Template }) }) })),
      podSpec: JOB_TEMPLATE,
    },
  ],
]);
