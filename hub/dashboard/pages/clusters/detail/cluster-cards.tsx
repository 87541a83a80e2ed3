import type { ClusterView } from '@fso/shared/api';
import { Label, LabelGroup } from '@patternfly/react-core';
import { RevisionLink } from '../../../components/links.tsx';
import { Facts, RelativeTime, SectionCard } from '../../../components/text.tsx';
import { isRefusing, skewText, syncStateOf } from '../../../lib/health.ts';
import { CertificateExpiry, GatekeeperText, PhaseCounts, SyncLabel } from '../cluster-values.tsx';

const LAYOUT = { horizontalTermWidthModifier: { default: '12ch', sm: '16ch' } } as const;

export const NotReported = () => <span className="fso-muted">not reported</span>;

const Labels = ({ labels }: Pick<ClusterView, 'labels'>) => {
  const entries = Object.entries(labels);
  return entries.length === 0 ? (
    <span className="fso-muted">none</span>
  ) : (
    <LabelGroup numLabels={6} aria-label="Labels of the cluster">
      {entries.map(([key, value]) => (
        <Label key={key} isCompact variant="outline">
          {key}={value}
        </Label>
      ))}
    </LabelGroup>
  );
};

/** Versions, connection and labels of the cluster. */
export const SoftwareCard = ({ cluster }: { readonly cluster: ClusterView }) => {
  const { report, lastSeen, certificateExpires, clockSkewMs, provider, labels } = cluster;
  return (
    <SectionCard title="Cluster and agent">
      <Facts
        {...LAYOUT}
        facts={{
          'Last seen': <RelativeTime time={lastSeen} />,
          Provider: provider ?? <span className="fso-muted">none registered</span>,
          Kubernetes: report?.kubernetesVersion ?? <NotReported />,
          Agent: report?.agentVersion ?? <NotReported />,
          Gatekeeper: report === null ? <NotReported /> : <GatekeeperText gatekeeper={report.gatekeeper} />,
          'Certificate until': <CertificateExpiry expires={certificateExpires} />,
          'Agent’s clock': skewText(clockSkewMs),
          Labels: <Labels labels={labels} />,
        }}
      />
    </SectionCard>
  );
};

const VERIFICATIONS = {
  verified: 'Verified by the agent',
  unverified: 'Not verified: the agent has no allowed signers',
  failed: 'Bad, but accepted',
} as const;

const Verification = ({ report }: Pick<ClusterView, 'report'>) => {
  if (report === null) return <NotReported />;
  const detail = report.signer ?? report.verificationReason;
  return (
    <>
      {VERIFICATIONS[report.verification]}
      {detail === undefined ? null : <div className="fso-muted fso-message">{detail}</div>}
    </>
  );
};

/** Commits that the cluster was offered, has accepted and has proven. */
export const RevisionCard = ({ cluster }: { readonly cluster: ClusterView }) => {
  const { offeredRevision, revision, provenRevision, waitsFor, nack, report, policies } = cluster;
  return (
    <SectionCard title="Commit in force">
      <Facts
        {...LAYOUT}
        facts={{
          State: <SyncLabel sync={syncStateOf(cluster)} />,
          Offered: <RevisionLink revision={offeredRevision} />,
          Accepted: <RevisionLink revision={revision} />,
          Proven: <RevisionLink revision={provenRevision} />,
          'Signers of': report?.verifiedRevision && <RevisionLink revision={report.verifiedRevision} />,
          'Waits for': waitsFor && `wave ${waitsFor.wave} of the rollout`,
          'Refused before':
            nack === null || isRefusing(cluster) ? undefined : (
              <>
                <RevisionLink revision={nack.revision} /> <RelativeTime time={nack.time} />
              </>
            ),
          Signature: <Verification report={report} />,
          Policies: <PhaseCounts policies={policies} />,
        }}
      />
    </SectionCard>
  );
};
