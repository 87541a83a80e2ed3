import { Alert, AlertActionLink, Card, CardBody, CardTitle } from '@patternfly/react-core';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import ExclamationTriangleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon';
import InfoCircleIcon from '@patternfly/react-icons/dist/esm/icons/info-circle-icon';
import type { ComponentType } from 'react';
import { RelativeTime } from '../../components/text.tsx';
import { useNow } from '../../lib/time.ts';
import { type AttentionItem, attentionItems, type FleetFacts, type Reading } from './attention.ts';
import { TargetLink } from './target-link.tsx';

const MINUTE_MS = 60_000;

const LOOKS: Readonly<Record<AttentionItem['level'], { readonly icon: ComponentType; readonly word: string }>> = {
  danger: { icon: ExclamationCircleIcon, word: 'Urgent:' },
  warning: { icon: ExclamationTriangleIcon, word: 'Warning:' },
  info: { icon: InfoCircleIcon, word: 'For information:' },
};

const Item = ({ item }: { readonly item: AttentionItem }) => {
  const { level, title, detail, since, target } = item;
  const { icon: Icon, word } = LOOKS[level];
  return (
    <li className={`fso-attention-item fso-attention-${level}`}>
      <Icon />
      <div>
        <span className="pf-v6-screen-reader">{word} </span>
        {target === undefined ? <strong>{title}</strong> : <TargetLink target={target}>{title}</TargetLink>}
        {detail === undefined && (since === undefined || since === null) ? null : (
          <div className="fso-attention-detail">
            {detail} {since === undefined || since === null ? null : <RelativeTime time={since} />}
          </div>
        )}
      </div>
    </li>
  );
};

const Nothing = ({ reading }: { readonly reading: Reading }) => {
  if (reading === 'failed') return null;
  return reading === 'pending' ? (
    <p className="fso-muted">Not everything has been read yet.</p>
  ) : (
    <p className="fso-attention-none">
      <CheckCircleIcon /> Nothing does: every cluster is connected with its locks ready, every policy is proven, and there are no
      violations.
    </p>
  );
};

interface AttentionCardProps {
  readonly facts: FleetFacts;
  readonly reading: Reading;
  readonly onRetry: () => void;
}

/** What somebody should look at first; changes are told to screen readers when they have the time. */
export const AttentionCard = ({ facts, reading, onRetry }: AttentionCardProps) => {
  const items = attentionItems(facts, useNow(MINUTE_MS));
  return (
    <Card isFullHeight>
      <CardTitle component="h2">Needs attention</CardTitle>
      <CardBody>
        <div aria-live="polite">
          {items.length === 0 ? (
            <Nothing reading={reading} />
          ) : (
            <ul className="fso-attention">
              {items.map((item) => (
                <Item key={item.key} item={item} />
              ))}
            </ul>
          )}
          {reading === 'failed' ? (
            <Alert
              isInline
              variant="warning"
              component="p"
              title="Not all could be read: more may need attention"
              actionLinks={<AlertActionLink onClick={onRetry}>Try again</AlertActionLink>}
            />
          ) : null}
        </div>
      </CardBody>
    </Card>
  );
};
