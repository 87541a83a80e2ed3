import type { ClusterView } from '@fso/shared/api';
import { RevisionLink } from '../../components/links.tsx';
import { RelativeTime } from '../../components/text.tsx';
import { isRefusing, syncStateOf } from '../../lib/health.ts';
import { PhaseCounts } from './phase-counts.tsx';
import { Facts, NotReported, Section } from './section.tsx';
import { SyncLabel } from './sync-label.tsx';

const WORDS = {
  verified: 'Verified by the agent',
  unverified: 'Not verified: no signers are configured at the agent',
  failed: 'Found bad, and taken all the same',
} as const;

const Verification = ({ report }: Pick<ClusterView, 'report'>) => {
  if (report === null) return <NotReported />;
  const detail = report.signer ?? report.verificationReason;
  return (
    <>
      {WORDS[report.verification]}
      {detail === undefined ? null : <div className="fso-muted fso-message">{detail}</div>}
    </>
  );
};

/** How far the cluster is with what is meant for it. */
export const RevisionCard = ({ cluster }: { readonly cluster: ClusterView }) => {
  const { offeredRevision, revision, provenRevision, nack, report, policies } = cluster;
  return (
    <Section title="What is in force">
      <Facts
        facts={{
          State: <SyncLabel sync={syncStateOf(cluster)} />,
          Offered: <RevisionLink revision={offeredRevision} />,
          Accepted: <RevisionLink revision={revision} />,
          Proven: <RevisionLink revision={provenRevision} />,
          ...(nack === null || isRefusing(cluster)
            ? {}
            : {
                'Refused before': (
                  <>
                    <RevisionLink revision={nack.revision} /> <RelativeTime time={nack.time} />
                  </>
                ),
              }),
          Signature: <Verification report={report} />,
          Policies: <PhaseCounts policies={policies} />,
        }}
      />
    </Section>
  );
};
