import type { ProblemView } from '@fso/shared/api';
import {
  Button,
  Card,
  CardBody,
  CardFooter,
  CardTitle,
  DescriptionList,
  DescriptionListDescription,
  DescriptionListGroup,
  type DescriptionListProps,
  DescriptionListTerm,
  Title,
  Tooltip,
} from '@patternfly/react-core';
import { type ReactNode, useState } from 'react';
import { formatPlace, truncateText } from '../lib/format.ts';
import { exactTime, relativeTime, resolutionOf, useNow } from '../lib/time.ts';

interface RelativeTimeProps {
  /** RFC 3339. */
  readonly time: string | null | undefined;
  /** Shown if there is no time. */
  readonly absent?: string;
}

/** Time relative to now. The exact time appears on hover and focus. */
export const RelativeTime = ({ time, absent = 'never' }: RelativeTimeProps) =>
  time === null || time === undefined ? <span className="fso-muted">{absent}</span> : <Ticking time={time} />;

const Ticking = ({ time }: { readonly time: string }) => {
  const at = Date.parse(time);
  const now = useNow(resolutionOf(at, Date.now()));
  return (
    <Tooltip content={exactTime(at)}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: the exact time must be reachable by keyboard. */}
      <time dateTime={time} tabIndex={0} className="fso-time">
        {relativeTime(at, now)}
      </time>
    </Tooltip>
  );
};

/** Sentence with code in backticks. */
export const Sentence = ({ text }: { readonly text: string }) => (
  <>
    {text.split('`').map((part, index) =>
      index % 2 === 1 ? (
        // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a text do not move.
        <code key={index}>{part}</code>
      ) : (
        part
      ),
    )}
  </>
);

interface FactsProps extends Omit<DescriptionListProps, 'children'> {
  /** Value of each term. Terms with an undefined value are left out. */
  readonly facts: Readonly<Record<string, ReactNode>>;
}

/** List of terms and values. */
export const Facts = ({ facts, ...layout }: FactsProps) => (
  <DescriptionList isCompact isHorizontal {...layout}>
    {Object.entries(facts).map(([term, fact]) =>
      fact === undefined ? null : (
        <DescriptionListGroup key={term}>
          <DescriptionListTerm>{term}</DescriptionListTerm>
          <DescriptionListDescription>{fact}</DescriptionListDescription>
        </DescriptionListGroup>
      ),
    )}
  </DescriptionList>
);

interface HeadingProps {
  readonly level?: 2 | 3 | 4;
  readonly children: ReactNode;
}

/** Heading below the page's own. */
export const Heading = ({ level = 3, children }: HeadingProps) => (
  <Title headingLevel={`h${level}`} size={level === 2 ? 'lg' : 'md'}>
    {children}
  </Title>
);

interface SectionCardProps {
  readonly title: ReactNode;
  readonly footer?: ReactNode;
  readonly children: ReactNode;
}

/** A card with a heading. */
export const SectionCard = ({ title, footer, children }: SectionCardProps) => (
  <Card isFullHeight component="section">
    <CardTitle component="h2">{title}</CardTitle>
    <CardBody>{children}</CardBody>
    {footer === undefined ? null : <CardFooter>{footer}</CardFooter>}
  </Card>
);

/** Problems for which a commit was refused, with file, line and column if known. */
export const ProblemList = ({ problems }: { readonly problems: readonly ProblemView[] }) => (
  <ul className="fso-problems">
    {problems.map((problem) => {
      const place = formatPlace(problem);
      return (
        <li key={`${place} ${problem.code ?? ''} ${problem.reason}`}>
          {place === '' ? null : <code>{place}</code>}{' '}
          {problem.code === undefined ? null : <code className="fso-muted">{problem.code}</code>} {problem.reason}
        </li>
      );
    })}
  </ul>
);

interface LongTextProps {
  readonly text: string;
  /** Number of characters that are shown at first. */
  readonly max?: number;
}

/** Text that is shortened until the user expands it. */
export const LongText = ({ text, max = 110 }: LongTextProps) => {
  const [isWhole, setWhole] = useState(false);
  const short = truncateText(text, max);
  if (short === text) return text;
  return (
    <>
      {isWhole ? text : short}{' '}
      <Button variant="link" isInline aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
        {isWhole ? 'Less' : 'More'}
      </Button>
    </>
  );
};
