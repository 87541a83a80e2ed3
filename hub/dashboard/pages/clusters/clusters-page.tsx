import './clusters.css';
import type { ClusterView } from '@fso/shared/api';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { clustersQuery, regionsQuery } from '../../api/queries.ts';
import { Empty } from '../../components/empty-states.tsx';
import { ClusterLink, RevisionLink } from '../../components/links.tsx';
import { Page } from '../../components/page-header.tsx';
import { useRegionText } from '../../components/region-name.tsx';
import { CONNECTION_OPTIONS, ConnectionLabel, Hint } from '../../components/state-label.tsx';
import { type Column, SearchableTable } from '../../components/tables/data-table.tsx';
import { RelativeTime } from '../../components/text.tsx';
import { type Filter, optionsOf } from '../../lib/filters.ts';
import { formatNumber } from '../../lib/format.ts';
import { isSkewed, skewText, syncStateOf } from '../../lib/health.ts';
import { regionFilters } from '../../lib/region-text.ts';
import { CertificateExpiry, GatekeeperText, PhaseCounts, SyncLabel, Warning } from './cluster-values.tsx';

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
        <Warning /> Clock {skewText(clockSkewMs)}
      </div>
    ) : null}
  </>
);

/**
 * Connection of a cluster. The age of a connected one is not shown, because no event announces
 * heartbeats.
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

const CLUSTER_COLUMNS: readonly Column<ClusterView>[] = [
  { title: 'Cluster and regions', sort: 'name', width: 20, cell: (cluster) => <Name cluster={cluster} /> },
  { title: 'Connection', sort: 'connection', width: 15, cell: (cluster) => <Connection cluster={cluster} /> },
  { title: 'Revision', width: 15, cell: (cluster) => <Revision cluster={cluster} /> },
  { title: 'Policies', width: 10, cell: ({ policies }) => <PhaseCounts policies={policies} /> },
  { title: 'Violations', sort: 'violations', cell: (cluster) => <Violations cluster={cluster} /> },
  { title: 'Versions', sort: 'kubernetes', width: 15, cell: ({ report }) => <Versions report={report} /> },
  { title: 'Certificate', sort: 'certificate', cell: ({ certificateExpires }) => <CertificateExpiry expires={certificateExpires} /> },
];

const route = getRouteApi('/shell/clusters');

const FILTERS: readonly Filter[] = [
  { name: 'connection', label: 'Connection', options: CONNECTION_OPTIONS },
  { name: 'inSync', label: 'Commit', options: optionsOf({ true: 'In sync', false: 'Behind or unknown' }) },
  { name: 'violating', label: 'Violations', options: optionsOf({ true: 'Some', false: 'None' }) },
];
const LINKED_FILTERS: readonly Filter[] = [
  { name: 'locksReady', label: 'Locks', options: optionsOf({ true: 'Ready', false: 'Not ready' }), isLinked: true },
  { name: 'observed', label: 'Observed', options: optionsOf({ true: 'Yes', false: 'No' }), isLinked: true },
  { name: 'refusing', label: 'Commit offered', options: optionsOf({ true: 'Refused', false: 'Not refused' }), isLinked: true },
  { name: 'tampered', label: 'Tampered with', options: optionsOf({ true: 'Yes', false: 'No' }), isLinked: true },
];

/**
 * Filters by region, country and provider of the clusters. The selected region stays even if no
 * cluster is there any more.
 */
const useRegionFilters = (chosen: string | undefined): readonly Filter[] => {
  const { data } = useQuery(regionsQuery);
  const rows = (data?.items ?? []).filter(({ clusters }) => clusters.length > 0);
  const used = [...new Set(rows.map(({ region }) => region))];
  const regions = chosen === undefined || used.includes(chosen) ? used : [chosen, ...used];
  return [{ name: 'region', label: 'Region', options: regions.map((value) => ({ value, text: value })) }, ...regionFilters(rows)];
};

export const ClustersPage = () => {
  const search = route.useSearch();
  const sort = search.sort ?? 'name';
  const query = useInfiniteQuery(clustersQuery({ ...search, sort }));
  const filters = [...FILTERS, ...useRegionFilters(search.region), ...LINKED_FILTERS];
  return (
    <Page title="Clusters" description="Connection, commit in force and last report of every cluster.">
      <SearchableTable
        toolbar={{ search: 'Search clusters', filters }}
        table={{ label: 'Clusters', noun: ['cluster', 'clusters'], query, columns: CLUSTER_COLUMNS, rowKey: ({ name }) => name, sort }}
        values={search}
        none={
          <Empty title="No clusters yet">
            No cluster is registered. Add one with <code>fso clusters add &lt;name&gt; --region &lt;region&gt;</code>
          </Empty>
        }
        noMatch="No clusters match"
      />
    </Page>
  );
};
