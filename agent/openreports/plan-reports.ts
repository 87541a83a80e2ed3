import { FIELD_MANAGERS, LABELS, type ObjectMeta, OPEN_REPORT, OPEN_REPORTS_ROLE } from '@fso/shared/api';
import { byText, canonicalJson, sha256 } from '@fso/shared/encoding';
import type { Action } from '../enforce/index.ts';
import { REPORT_KIND, REPORT_LABELS, type Report, type ReportContent } from './report.ts';

type OwnerReference = NonNullable<ObjectMeta['ownerReferences']>[number];

/**
 * Owner reference to the ClusterRole that grants the rights for reports. Kubernetes' garbage
 * collector deletes the reports with the role.
 */
export const ownerOf = (uid: string): OwnerReference => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  name: OPEN_REPORTS_ROLE,
  uid,
});

interface DigestInput extends Omit<Report, 'metadata' | 'digest'> {
  readonly metadata: Pick<ObjectMeta, 'labels' | 'ownerReferences'>;
}

/**
 * Hash of everything that the agent writes, except the number of conforming pods, and of what
 * others could add.
 */
const digestOf = ({ metadata, source, scope, scopeSelector, configuration, summary, results = [] }: DigestInput): string => {
  const labels = { [LABELS.component]: metadata.labels?.[LABELS.component] };
  const owners = metadata.ownerReferences ?? [];
  const { pass: _, ...counts } = summary ?? {};
  return sha256(canonicalJson({ labels, owners, source, scope, scopeSelector, configuration, counts, results }));
};

/** Digest of the desired content of a report, like {@link digestOf}. */
export const digestOfWanted = (content: ReportContent, owner: OwnerReference | undefined): string =>
  digestOf({ metadata: metadataOf(owner), ...content });

/** Digests of desired reports, computed once for each combination of results and owner. */
export class WantedDigests {
  /** Digests by results. The rest of a report is derived from the same findings. */
  readonly #known = new WeakMap<object, { readonly ownerUid: string | undefined; readonly digest: string }>();

  readonly get = (content: ReportContent, owner: OwnerReference | undefined): string => {
    const known = this.#known.get(content.results);
    if (known !== undefined && known.ownerUid === owner?.uid) return known.digest;
    const digest = digestOfWanted(content, owner);
    this.#known.set(content.results, { ownerUid: owner?.uid, digest });
    return digest;
  };
}

const metadataOf = (owner: OwnerReference | undefined): DigestInput['metadata'] => ({
  labels: { ...REPORT_LABELS },
  ownerReferences: owner === undefined ? [] : [owner],
});

/** Reduces a report to what a plan compares. */
export const reduceReport = (report: Report): Report => {
  const { name, namespace, uid, resourceVersion, deletionTimestamp, labels } = report.metadata;
  const component = labels?.[LABELS.component];
  const metadata = {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    labels: component === undefined ? {} : { [LABELS.component]: component },
  };
  return { metadata, summary: { pass: report.summary?.pass ?? 0 }, digest: digestOf(report) };
};

/** Whether a report has the agent's label. */
export const isLabelled = ({ metadata }: Report): boolean =>
  Object.entries(REPORT_LABELS).every(([key, value]) => metadata.labels?.[key] === value);

/** Desired reports and those in the cluster. */
export interface ReportsInput {
  /** Desired reports by namespace. */
  readonly wanted: ReadonlyMap<string, ReportContent>;
  /** Reports with the agent's name, reduced by {@link reduceReport}. */
  readonly live: readonly Report[];
  /** Whether a report is the agent's. Others are left alone. */
  readonly isOwn: (report: Report) => boolean;
  readonly owner: OwnerReference | undefined;
  /** Replaces {@link digestOfWanted}. */
  readonly wantedDigest?: typeof digestOfWanted;
}

/**
 * Plans the writes that make the reports as desired, by namespace. An existing report is patched
 * instead of applied, because a patch also removes what others added. The reason is `Count` if only
 * the number of conforming pods changes.
 */
export const planReports = ({ wanted, live, isOwn, owner, wantedDigest = digestOfWanted }: ReportsInput): readonly Action[] => {
  const present = new Map(live.map((report) => [report.metadata.namespace ?? '', report]));
  const metadata = metadataOf(owner);
  const writes = [...wanted].flatMap(([namespace, content]): Action[] => {
    const report = present.get(namespace);
    const target = targetOf(namespace);
    if (report === undefined) {
      const body = { metadata: { namespace, name: OPEN_REPORT, ...metadata }, ...content };
      return [{ ...target, type: 'apply', body, fieldManager: FIELD_MANAGERS.openReports, reason: 'Report' }];
    }
    if (!isOwn(report) || report.metadata.deletionTimestamp !== undefined) return [];
    const isSame = report.digest === wantedDigest(content, owner);
    if (isSame && report.summary?.pass === content.summary.pass) return [];
    // With the uid, the patch fails if another object has taken the name meanwhile.
    const patch = { metadata: { ...metadata, uid: report.metadata.uid }, scope: null, scopeSelector: null, ...content };
    return [{ ...target, type: 'patch', ref: { namespace, name: OPEN_REPORT }, patch, reason: isSame ? 'Count' : 'Report' }];
  });
  const removals = [...present].flatMap(([namespace, report]): Action[] => {
    if (wanted.has(namespace) || !isOwn(report) || report.metadata.deletionTimestamp !== undefined) return [];
    return [{ ...targetOf(namespace), type: 'delete', ref: { namespace, name: OPEN_REPORT }, reason: 'Release' }];
  });
  return [...writes, ...removals].sort((a, b) => byText(a.key, b.key));
};

const targetOf = (namespace: string) => ({ key: `${REPORT_KIND.kind}/${namespace}/${OPEN_REPORT}`, kind: REPORT_KIND, policies: [] });
