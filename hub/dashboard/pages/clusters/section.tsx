import { Card, CardBody, CardTitle, DescriptionList } from '@patternfly/react-core';
import type { ReactNode } from 'react';
import { DescriptionItem } from '../../components/text.tsx';

/** A card of a tab. */
export const Section = ({ title, children }: { readonly title: string; readonly children: ReactNode }) => (
  <Card isFullHeight component="section">
    <CardTitle component="h2">{title}</CardTitle>
    <CardBody>{children}</CardBody>
  </Card>
);

/** Names and what stands for each. */
export const Facts = ({ facts }: { readonly facts: Readonly<Record<string, ReactNode>> }) => (
  <DescriptionList isHorizontal isCompact horizontalTermWidthModifier={{ default: '12ch', sm: '16ch' }}>
    {Object.entries(facts).map(([term, fact]) => (
      <DescriptionItem key={term} term={term}>
        {fact}
      </DescriptionItem>
    ))}
  </DescriptionList>
);

export const NotReported = () => <span className="fso-muted">not reported</span>;
