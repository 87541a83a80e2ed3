import { z } from 'zod';
import { API_VERSION } from './names.ts';

/** RFC 1123 label (https://kubernetes.io/docs/concepts/overview/working-with-objects/names/). */
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
/** RFC 1123 subdomain. */
const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
/** Region as in a node label: a Kubernetes label value. */
const REGION = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
/** Form of a region reference, each part of which has at most 63 characters. */
const REGION_REFERENCE =
  /^(group:[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?|country:[A-Z]{2}|partition:[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?|([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)$/;
/**
 * Namespace, or a glob as in Gatekeeper's `match.namespaces`: `*` at the start, the end, or both.
 */
const NAMESPACE_GLOB = /^(\*|\*?[a-z0-9-]+\*?)$/;

/** Name of a Kubernetes object or a cluster: an RFC 1123 subdomain of at most 253 characters. */
export const ResourceName: z.ZodString = z.string().min(1).max(253).regex(DNS_SUBDOMAIN, 'must be a lowercase RFC 1123 subdomain');
/** Name of a namespace: an RFC 1123 label of at most 63 characters. */
export const NamespaceName: z.ZodString = z.string().min(1).max(63).regex(DNS_LABEL, 'must be a lowercase RFC 1123 label');
/** Name of a namespace, or a glob with `*` at the start, the end, or both. */
export const NamespaceGlob: z.ZodString = z
  .string()
  .min(1)
  .max(63)
  .regex(NAMESPACE_GLOB, 'must be a namespace, or a glob with * at its start or end (finance-*, *)');
/** Name of a region, as in the node label `topology.kubernetes.io/region`. */
export const Region: z.ZodString = z
  .string()
  .min(1)
  .max(63)
  .regex(REGION, 'must be a region as in the node label topology.kubernetes.io/region');
/** Region, or a name for several: `country:DE`, `partition:aws-eusc`, `group:eu`. */
export const RegionReference: z.ZodString = z
  .string()
  .min(1)
  .max(127)
  .regex(
    REGION_REFERENCE,
    'must be a region (eu-west-1, aws/eu-west-1), country:DE, partition:aws-eusc or group:<name>, each name of at most 63 characters',
  );
/** Cloud provider as named in the catalogue of regions: aws, azure, gcp, or one's own. */
export const ProviderId: z.ZodString = z.string().min(1).max(63).regex(DNS_LABEL, 'must be a provider as in regions/catalog.yaml (aws)');
/** Country code of ISO 3166-1 alpha-2. */
export const CountryCode: z.ZodString = z
  .string()
  .length(2)
  .regex(/^[A-Z]{2}$/, 'must be a country code of ISO 3166-1 (DE)');

/**
 * List of a schema's values. Validation stops at the first invalid one: the issues that zod reports
 * for fifty thousand would take more memory than the frame.
 */
export const boundedList = <T>(schema: z.ZodType<T>, max: number) =>
  z
    .array(z.unknown())
    .max(max)
    .transform((values, context): T[] => {
      const entries: T[] = [];
      for (const [index, value] of values.entries()) {
        const parsed = schema.safeParse(value);
        if (parsed.success) entries.push(parsed.data);
        else {
          context.addIssue({ code: 'custom', message: z.prettifyError(parsed.error), path: [index] });
          return z.NEVER;
        }
      }
      return entries;
    });

const LabelMap = z.record(z.string().max(317), z.string().max(63));

/**
 * Metadata that a document in Git may have. Server-side fields are refused, so that an object
 * copied from a cluster is noticed.
 */
export const GitMetadata = z.strictObject({
  name: ResourceName,
  namespace: NamespaceName.optional(),
  labels: LabelMap.optional(),
  annotations: z.record(z.string().max(317), z.string().max(65_536)).optional(),
});

const SelectorOperator = z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']);

/** metav1.LabelSelector. An empty selector selects everything. */
export const LabelSelector = z.strictObject({
  matchLabels: LabelMap.optional(),
  matchExpressions: z
    .array(
      z.strictObject({
        key: z.string().min(1).max(317),
        operator: SelectorOperator,
        values: z.array(z.string().max(63)).max(100).optional(),
      }),
    )
    .max(32)
    .optional(),
});
export type LabelSelector = z.infer<typeof LabelSelector>;

/**
 * Longest message of an event, of a lock, of a reported condition and of a refusal, in UTF-16 code
 * units.
 */
export const MAX_MESSAGE = 4_096;

/** Schema of a document in Git: type, metadata, spec. */
export const gitDocument = <K extends string, S extends z.ZodType>(kind: K, spec: S) =>
  z.strictObject({ apiVersion: z.literal(API_VERSION), kind: z.literal(kind), metadata: GitMetadata, spec });
