import { ALERT_RULES, type AlertView, type ReceiverView } from '@fso/shared/api';
import { Content, Flex, List, ListItem } from '@patternfly/react-core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { alertsQuery, receiversQuery, silencesQuery } from '../../api/queries.ts';
import { useScope } from '../../api/session.ts';
import { Empty, QueryView } from '../../components/empty-states.tsx';
import { ClusterLink, HubLink, PolicyLink } from '../../components/links.tsx';
import { SilenceButton } from '../../components/silence/silence-button.tsx';
import { matchersOfAlert } from '../../components/silence/silence-draft.ts';
import { AlertSeverityLabel } from '../../components/state-label.tsx';
import { Facts, Heading, RelativeTime, Sentence } from '../../components/text.tsx';
import { rowsOf } from '../../lib/paged-list.ts';
import { AlertStateLabel } from './alert-labels.tsx';
import { READ_MS } from './alerts-frame.tsx';
import { undelivered } from './receiver-state.ts';

/** Alert with a fingerprint, also if the list beside it does not contain it. */
export const AlertDetail = ({ fingerprint }: { readonly fingerprint: string }) => (
  <QueryView query={useInfiniteQuery({ ...alertsQuery({ fingerprint }), refetchInterval: READ_MS })} what="the alert">
    {(data) => {
      const [alert] = rowsOf(data);
      return alert === undefined ? (
        <Empty title="No such alert any more">It ended more than 24 hours ago.</Empty>
      ) : (
        <AlertFacts alert={alert} />
      );
    }}
  </QueryView>
);

const Section = ({ title, children }: { readonly title: string; readonly children: ReactNode }) => (
  <section>
    <Heading>{title}</Heading>
    {children}
  </section>
);

const AlertFacts = ({ alert }: { readonly alert: AlertView }) => {
  const { name, severity, state, labels, summary, details, path, startsAt, endsAt, fingerprint } = alert;
  const { cluster, policy, region, team } = labels;
  const { meaning, remedy } = ALERT_RULES[name];
  return (
    <div className="fso-stack">
      <Flex columnGap={{ default: 'columnGapSm' }} rowGap={{ default: 'rowGapSm' }}>
        <AlertSeverityLabel severity={severity} />
        <AlertStateLabel state={state} />
        {state === 'resolved' ? null : (
          <SilenceButton
            label={state === 'silenced' ? 'Silence again' : 'Silence this alert'}
            size="sm"
            matchers={matchersOfAlert(alert)}
          />
        )}
      </Flex>
      <Content component="p">
        <strong>{summary}</strong>
      </Content>
      {details === '' ? null : <p className="fso-message">{details}</p>}
      <Section title="What it means">
        <Content component="p">
          <Sentence text={meaning} />
        </Content>
      </Section>
      <Section title="What to do">
        <Content component="p">
          <Sentence text={remedy} />
        </Content>
        <HubLink path={path}>Open the page that shows more</HubLink>
      </Section>
      <Facts
        facts={{
          'Fires since': <RelativeTime time={startsAt} />,
          Resolved: endsAt === null ? undefined : <RelativeTime time={endsAt} />,
          Cluster: cluster && <ClusterLink cluster={cluster} />,
          Policy: policy && <PolicyLink policy={policy} />,
          Regions: region?.replaceAll(',', ', '),
          Team: team,
          Fingerprint: <code>{fingerprint}</code>,
        }}
      />
      <Silenced by={alert.silencedBy} />
      <Section title="Who was notified">
        <Notified alert={alert} />
      </Section>
    </div>
  );
};

/** Silences that match the alert now. */
const Silenced = ({ by }: { readonly by: readonly string[] }) => {
  const { data } = useQuery({ ...silencesQuery, enabled: by.length > 0 });
  if (by.length === 0) return null;
  return (
    <Section title="Why it is silenced">
      <List>
        {(data?.items ?? [])
          .filter(({ id }) => by.includes(id))
          .map(({ id, reason, author, until }) => (
            <ListItem key={id}>
              {reason} ({author}, ends <RelativeTime time={until} />)
            </ListItem>
          ))}
      </List>
      <Link to="/alerts/silences">All silences</Link>
    </Section>
  );
};

const Failing = ({ receivers }: { readonly receivers: readonly ReceiverView[] }) => (
  <List>
    {receivers.map(({ name, lastFailure }) => (
      <ListItem key={name}>
        {name} could not be reached <RelativeTime time={lastFailure?.time} />: {lastFailure?.reason}
      </ListItem>
    ))}
  </List>
);

const NOBODY: Readonly<Record<AlertView['state'], string>> = {
  firing: 'Nobody yet.',
  silenced: 'Nobody, as it is silenced.',
  resolved: 'Nobody.',
};

/** Receivers that were notified, and failing ones, which may have missed this alert. */
const Notified = ({ alert: { notified, state } }: { readonly alert: AlertView }) => {
  const { data } = useQuery({ ...receiversQuery, enabled: useScope() === undefined });
  const failing = undelivered(data?.items ?? []);
  return (
    <>
      {notified.length === 0 ? (
        <p>{data?.items.length === 0 ? 'Nobody: this hub has no alerts file.' : NOBODY[state]}</p>
      ) : (
        <List>
          {notified.map(({ receiver, time }) => (
            <ListItem key={receiver}>
              {receiver}, <RelativeTime time={time} />
            </ListItem>
          ))}
        </List>
      )}
      {failing.length === 0 ? null : <Failing receivers={failing} />}
      <Link to="/alerts/receivers">All receivers</Link>
    </>
  );
};
