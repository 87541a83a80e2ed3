import '../../charts/charts.css';
import { Button } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { regionsQuery } from '../../api/queries.ts';
import { Empty, QueryView } from '../../components/empty-states.tsx';
import { SectionCard } from '../../components/text.tsx';
import { formatNumber } from '../../lib/format.ts';
import { regionText } from '../../lib/region-text.ts';
import { sortByPolicies } from '../../map/map-regions.ts';

interface Bar {
  readonly key: string;
  /** Name of the bar, possibly a link. */
  readonly title: ReactNode;
  readonly value: number;
}

/** List of bars with names and numbers, readable as text and as a chart. */
const BarList = ({ label, bars }: { readonly label: string; readonly bars: readonly Bar[] }) => {
  const longest = Math.max(1, ...bars.map(({ value }) => value));
  return (
    <ul className="fso-bars" aria-label={label}>
      {bars.map(({ key, title, value }) => (
        <li key={key}>
          <span className="fso-bar-title">{title}</span>
          <span className="fso-bar-track" aria-hidden="true">
            <span className="fso-bars-bar" style={{ inlineSize: `${(100 * value) / longest}%` }} />
          </span>
          <span className="fso-bar-value">{formatNumber(value)}</span>
        </li>
      ))}
    </ul>
  );
};

const MAX_BARS = 10;

/** Number of policies that allow each region. */
export const PoliciesByRegionCard = () => {
  const query = useQuery(regionsQuery);
  const [showsAll, setShowsAll] = useState(false);
  return (
    <SectionCard title="Policies by allowed region">
      <QueryView query={query} what="the regions">
        {({ items }) => {
          const bars = sortByPolicies(items);
          if (bars.length === 0) return <Empty title="No region is allowed">There is no policy yet.</Empty>;
          return (
            <>
              <BarList
                label="Policies by allowed region"
                bars={(showsAll ? bars : bars.slice(0, MAX_BARS)).map((view) => ({
                  key: regionText(view),
                  value: view.policies,
                  title: (
                    <Link to="/policies" search={{ region: view.region }}>
                      {regionText(view)}
                    </Link>
                  ),
                }))}
              />
              {bars.length <= MAX_BARS ? null : (
                <Button variant="link" aria-expanded={showsAll} onClick={() => setShowsAll(!showsAll)}>
                  {showsAll ? 'Show fewer' : `Show all ${bars.length} regions`}
                </Button>
              )}
            </>
          );
        }}
      </QueryView>
    </SectionCard>
  );
};
