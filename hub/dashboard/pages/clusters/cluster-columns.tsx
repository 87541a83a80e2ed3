import type { ClusterView } from '@fso/shared/api';
import { Icon } from '@patternfly/react-core';
import ExclamationTriangleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon';
import { Link } from '@tanstack/react-router';
import { ClusterLink, RevisionLink } from '../../components/links.tsx';
import { useRegionText } from '../../components/region-name.tsx';
import { ConnectionLabel, Hint } from '../../components/state-label.tsx';
import type { Column } from '../../components/tables/data-table.tsx';
import { RelativeTime } from '../../components/text.tsx';
import { formatNumber } from '../../lib/format.ts';
import { isSkewed, skewText, syncStateOf } from '../../lib/health.ts';
import { CertificateExpiry, GatekeeperText, PhaseCounts, SyncLabel } from './cluster-values.tsx';

const MAX_REGIONS = 3;

const Regions = ({ cluster, regions }: { readonly cluster: string; readonly regions: readonly string[] }) => {
  const textOf = useRegionText();
  if (regions.length === 0) return <div className="fso-muted">not registered</div>;
  const texts = regions.map((region) => textOf(region, cluster));
  const more = texts.slice(MAX_REGIONS);
  return (
    <div className="fso-muted">
      {texts.slice(0, MAX_REGIONS).join(', ')}
      {more.length === 0 ? null : <Hint text={more.join(', ')}> and {more.length} more</Hint>}
    </div>
  );
};

const Name = ({ cluster: { name, regions, clockSkewMs } }: { readonly cluster: ClusterView }) => (
  <>
    <ClusterLink cluster={name} />
    <Regions cluster={name} regions={regions} />
    {isSkewed(clockSkewMs) ? (
      <div>
        <Icon status="warning" isInline>
          <ExclamationTriangleIcon />
        </Icon>{' '}
        Clock {skewText(clockSkewMs)}
      </div>
    ) : null}
  </>
);

/**
 * Connection of a cluster, without the age of a connected one: no event announces its heartbeats.
 */
const Connection = ({ cluster: { connection, notObserved, lastSeen } }: { readonly cluster: ClusterView }) => (
  <>
    <ConnectionLabel connection={connection} notObserved={notObserved} />
    {notObserved === null ? null : (
      <div className="fso-muted">
        <RelativeTime time={notObserved.since} />: {notObserved.what.join(', ')}
      </div>
    )}
    {connection === 'Disconnected' ? (
      <div className="fso-muted">
        <RelativeTime time={lastSeen} />
      </div>
    ) : null}
  </>
);

const Revision = ({ cluster }: { readonly cluster: ClusterView }) => {
  const { revision, provenRevision } = cluster;
  return (
    <>
      <SyncLabel sync={syncStateOf(cluster)} />
      {revision === null ? null : (
        <div>
          <RevisionLink revision={revision} />
        </div>
      )}
      {provenRevision === null || provenRevision === revision ? null : (
        <div className="fso-nowrap">
          proven <RevisionLink revision={provenRevision} />
        </div>
      )}
    </>
  );
};

const Violations = ({ cluster: { name, violations, report, connection, notObserved } }: { readonly cluster: ClusterView }) => {
  if (report === null) return <span className="fso-muted">not known</span>;
  return (
    <>
      {violations === 0 ? (
        <span className="fso-muted">0</span>
      ) : (
        <Link to="/clusters/$name" params={{ name }} search={{ tab: 'violations' }} aria-label={`${violations} violations in ${name}`}>
          {formatNumber(violations)}
        </Link>
      )}
      {connection === 'Connected' && notObserved === null ? null : <div className="fso-muted">last known</div>}
    </>
  );
};

const Versions = ({ report }: Pick<ClusterView, 'report'>) =>
  report === null ? (
    <span className="fso-muted">not reported</span>
  ) : (
    <>
      <div className="fso-nowrap">Kubernetes {report.kubernetesVersion.replace(/^v/, '')}</div>
      <div className="fso-small fso-muted">Agent {report.agentVersion}</div>
      <div className="fso-small fso-muted">
        Gatekeeper <GatekeeperText gatekeeper={report.gatekeeper} isShort />
      </div>
    </>
  );

export const CLUSTER_COLUMNS: readonly Column<ClusterView>[] = [
  { title: 'Cluster and regions', sort: 'name', width: 20, cell: (cluster) => <Name cluster={cluster} /> },
  { title: 'Connection', sort: 'connection', width: 15, cell: (cluster) => <Connection cluster={cluster} /> },
  { title: 'Revision', width: 15, cell: (cluster) => <Revision cluster={cluster} /> },
  { title: 'Policies', width: 10, cell: ({ policies }) => <PhaseCounts policies={policies} /> },
  { title: 'Violations', sort: 'violations', cell: (cluster) => <Violations cluster={cluster} /> },
  { title: 'Versions', sort: 'kubernetes', width: 15, cell: ({ report }) => <Versions report={report} /> },
  { title: 'Certificate', sort: 'certificate', cell: ({ certificateExpires }) => <CertificateExpiry expires={certificateExpires} /> },
];
