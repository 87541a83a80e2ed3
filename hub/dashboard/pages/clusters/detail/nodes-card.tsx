import type { ClusterView } from '@fso/shared/api';
import { RegionName } from '../../../components/region-name.tsx';
import { PlainTable } from '../../../components/tables/plain-table.tsx';
import { SectionCard } from '../../../components/text.tsx';
import { formatNumber } from '../../../lib/format.ts';
import { Warning } from '../cluster-values.tsx';
import { NotReported } from './cluster-cards.tsx';
import { type NodeRegion, nodeRegions, type RegionNote, regionNote } from './node-regions.ts';

const NOTES: Readonly<Record<RegionNote, string>> = {
  asRegistered: 'registered',
  noNodes: 'registered, but has no nodes',
  notRegistered: 'not registered for this cluster',
  withoutRegion: 'label topology.kubernetes.io/region missing',
};

const Note = ({ row }: { readonly row: NodeRegion }) => {
  const note = regionNote(row);
  return note === 'asRegistered' ? (
    <span className="fso-muted">{NOTES[note]}</span>
  ) : (
    <>
      {note === 'noNodes' ? null : <Warning />} {NOTES[note]}
    </>
  );
};

/** Number of nodes, as text and as a bar. */
const Count = ({ nodes, most }: { readonly nodes: number; readonly most: number }) => (
  <span className="fso-clusters-count">
    <span className="fso-clusters-count-number">{formatNumber(nodes)}</span>
    <span className="fso-bar" aria-hidden>
      <span className="fso-bar-part" style={{ inlineSize: `${most === 0 ? 0 : (100 * nodes) / most}%` }} />
    </span>
  </span>
);

/** Nodes by region, compared with the regions registered in Git. */
export const NodesCard = ({ cluster: { name, report, regions } }: { readonly cluster: ClusterView }) => {
  const rows = nodeRegions(report?.nodesByRegion, regions);
  const most = Math.max(0, ...rows.map(({ nodes }) => nodes));
  return (
    <SectionCard title="Nodes by region">
      {report === null ? (
        <NotReported />
      ) : (
        <PlainTable
          label="Nodes by region"
          rows={rows}
          columns={[
            {
              title: 'Region',
              width: 30,
              cell: ({ region }) => (region === '' ? <em>no region</em> : <RegionName region={region} cluster={name} />),
            },
            { title: 'Nodes', width: 35, cell: ({ nodes }) => <Count nodes={nodes} most={most} /> },
            { title: 'Registration', cell: (row) => <Note row={row} /> },
          ]}
          rowKey={({ region }) => region}
          borders={false}
        />
      )}
    </SectionCard>
  );
};
