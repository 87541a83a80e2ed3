import type { ClusterView } from '@fso/shared/api';
import { Label, LabelGroup } from '@patternfly/react-core';
import { RelativeTime } from '../../components/text.tsx';
import { skewText } from '../../lib/health.ts';
import { CertificateExpiry } from './certificate-expiry.tsx';
import { GatekeeperText } from './gatekeeper-text.tsx';
import { Facts, NotReported, Section } from './section.tsx';

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

/** What runs there, and how well it can be heard. */
export const SoftwareCard = ({ cluster }: { readonly cluster: ClusterView }) => {
  const { report, lastSeen, certificateExpires, clockSkewMs, labels } = cluster;
  return (
    <Section title="Cluster and agent">
      <Facts
        facts={{
          'Last heard of': <RelativeTime time={lastSeen} />,
          Kubernetes: report?.kubernetesVersion ?? <NotReported />,
          Agent: report?.agentVersion ?? <NotReported />,
          Gatekeeper: report === null ? <NotReported /> : <GatekeeperText gatekeeper={report.gatekeeper} />,
          'Certificate until': <CertificateExpiry expires={certificateExpires} />,
          'Agent’s clock': skewText(clockSkewMs),
          Labels: <Labels labels={labels} />,
        }}
      />
    </Section>
  );
};
