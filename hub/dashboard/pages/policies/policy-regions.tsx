import type { RegionView } from '@fso/shared/api';
import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table';
import { useQuery } from '@tanstack/react-query';
import { regionsQuery } from '../../api/queries.ts';

const Row = ({ region, view }: { readonly region: string; readonly view: RegionView | undefined }) => (
  <Tr>
    <Td dataLabel="Region">{region}</Td>
    <Td dataLabel="Groups">
      {view === undefined || view.groups.length === 0 ? <span className="fso-muted">none</span> : view.groups.join(', ')}
    </Td>
    <Td dataLabel="Clusters">{view === undefined ? 'not known' : view.clusters.length.toLocaleString('en')}</Td>
    <Td dataLabel="Nodes">{view === undefined ? 'not known' : view.nodes.toLocaleString('en')}</Td>
  </Tr>
);

/** The regions that a policy comes to, and what of the fleet is there. */
export const PolicyRegions = ({ regions }: { readonly regions: readonly string[] }) => {
  const { data } = useQuery(regionsQuery);
  if (regions.length === 0) return <p className="fso-muted">None: no pod may run.</p>;
  return (
    <Table aria-label="Allowed regions" variant="compact" gridBreakPoint="grid-md">
      <Thead>
        <Tr>
          <Th>Region</Th>
          <Th>Groups</Th>
          <Th>Clusters</Th>
          <Th>Nodes</Th>
        </Tr>
      </Thead>
      <Tbody>
        {regions.map((region) => (
          <Row key={region} region={region} view={data?.items.find((view) => view.region === region)} />
        ))}
      </Tbody>
    </Table>
  );
};
