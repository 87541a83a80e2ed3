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
  /** Shown where there is no time. */
  readonly absent?: string;
}

/** Time from or until now; the exact time when pointed at or focused. */
export const RelativeTime = ({ time, absent = 'never' }: RelativeTimeProps) =>
  time === null || time === undefined ? <span className="fso-muted">{absent}</span> : <Ticking time={time} />;

const Ticking = ({ time }: { readonly time: string }) => {
  const at = Date.parse(time);
  const now = useNow(resolutionOf(at, Date.now()));
  return (
    <Tooltip content={exactTime(at)}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: by keyboard, too, one gets at the exact time. */}
      <time dateTime={time} tabIndex={0} className="fso-time">
        {relativeTime(at, now)}
      </time>
    </Tooltip>
  );
};

/** A sentence in which backticks stand around code. */
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
  /** Value of each term; a term whose value is undefined is left out. */
  readonly facts: Readonly<Record<string, ReactNode>>;
}

/** A list of terms with what stands for each. */
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

/** A heading below that of the page. */
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

/**
 * Reasons for which a commit was refused: file, line and column where there are, and the problem.
 */
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
  /** Characters that are shown at first. */
  readonly max?: number;
}

/** A text of which the rest is shown on demand. */
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
