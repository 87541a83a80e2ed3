import { Button, Card, CardBody, CardTitle } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { regionsQuery } from '../../api/queries.ts';
import { BarList } from '../../charts/bar-list.tsx';
import { Empty, QueryView } from '../../components/empty-states.tsx';
import { barsOf } from './policy-bars.ts';

const FEW = 10;

/** In which regions policies let workloads run. */
export const PoliciesByRegionCard = () => {
  const query = useQuery(regionsQuery);
  const [showsAll, setShowsAll] = useState(false);
  return (
    <Card isFullHeight>
      <CardTitle component="h2">Policies by allowed region</CardTitle>
      <CardBody>
        <QueryView query={query} what="the regions">
          {({ items }) => {
            const bars = barsOf(items);
            if (bars.length === 0) return <Empty title="No region is allowed">There is no policy yet.</Empty>;
            return (
              <>
                <BarList
                  label="Policies by allowed region"
                  bars={(showsAll ? bars : bars.slice(0, FEW)).map(({ region, policies }) => ({
                    key: region,
                    value: policies,
                    title: (
                      <Link to="/policies" search={{ region }}>
                        {region}
                      </Link>
                    ),
                  }))}
                />
                {bars.length <= FEW ? null : (
                  <Button variant="link" aria-expanded={showsAll} onClick={() => setShowsAll(!showsAll)}>
                    {showsAll ? 'Show fewer' : `Show all ${bars.length} regions`}
                  </Button>
                )}
              </>
            );
          }}
        </QueryView>
      </CardBody>
    </Card>
  );
};
