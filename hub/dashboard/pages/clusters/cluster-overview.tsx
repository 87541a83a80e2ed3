import type { ClusterView } from '@fso/shared/api';
import { Grid, GridItem } from '@patternfly/react-core';
import { ConditionsCard } from './conditions-card.tsx';
import { EnrolmentCard } from './enrolment-card.tsx';
import { NodesCard } from './nodes-card.tsx';
import { RevisionCard } from './revision-card.tsx';
import { SoftwareCard } from './software-card.tsx';

export const ClusterOverview = ({ cluster }: { readonly cluster: ClusterView }) => (
  <Grid hasGutter>
    <GridItem lg={6}>
      <SoftwareCard cluster={cluster} />
    </GridItem>
    <GridItem lg={6}>
      <RevisionCard cluster={cluster} />
    </GridItem>
    <GridItem>
      <ConditionsCard conditions={cluster.report?.conditions} isFresh={cluster.connection === 'Connected'} />
    </GridItem>
    <GridItem lg={6}>
      <NodesCard cluster={cluster} />
    </GridItem>
    <GridItem lg={6}>
      <EnrolmentCard cluster={cluster} />
    </GridItem>
  </Grid>
);
