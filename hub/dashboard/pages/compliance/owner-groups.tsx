import type { DenialGrouping, Page, RiskGrouping } from '@fso/shared/api';
import type { InfiniteData, UseInfiniteQueryResult } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Empty } from '../../components/empty-states.tsx';
import { type Column, SearchableTable } from '../../components/tables/data-table.tsx';
import { targetOfGroup, textOfOwners } from './group-target.ts';

/** Group with its key in the API. */
interface Keyed {
  readonly key: string;
}

interface OwnerGroupsProps<G extends Keyed> {
  /** Name of the findings, e.g. `Denials`. */
  readonly found: string;
  /** Page with the list that a group links to. */
  readonly list: '/compliance/risks' | '/compliance/denials';
  readonly by: RiskGrouping | DenialGrouping;
  /** Name of the grouping, e.g. `Cluster`. */
  readonly title: string;
  readonly query: UseInfiniteQueryResult<InfiniteData<Page<G>>>;
  /** Columns after that of the group. */
  readonly columns: readonly Column<G>[];
  readonly q: string | undefined;
  readonly sort: string;
  /** Title if there are no groups. */
  readonly none: string;
}

/**
 * Findings about owners by group. A group links to the list of its findings, if filters can select
 * them.
 */
export const OwnerGroups = <G extends Keyed>({ found, list, by, title, query, columns, q, sort, none }: OwnerGroupsProps<G>) => {
  const first: Column<G> = {
    title,
    sort: 'key',
    width: 40,
    cell: ({ key }) => {
      const [target, text] = [targetOfGroup(by, key), textOfOwners(by, key)];
      return Object.keys(target).length === 0 ? (
        text
      ) : (
        <Link to={list} search={target}>
          {text}
        </Link>
      );
    },
  };
  const [grouping, what] = [title.toLowerCase(), found.toLowerCase()];
  return (
    <SearchableTable
      toolbar={{ search: `Search by ${grouping}` }}
      table={{
        label: `${found} by ${grouping}`,
        noun: [`${grouping} with ${what}`, `${grouping} groups with ${what}`],
        query,
        columns: [first, ...columns],
        rowKey: ({ key }) => key,
        sort,
      }}
      values={{ q }}
      none={<Empty title={none} />}
      noMatch="Nothing matches"
    />
  );
};
