import './alerts.css';
import { CodeBlock, CodeBlockCode, EmptyState, EmptyStateBody } from '@patternfly/react-core';
import BellSlashIcon from '@patternfly/react-icons/dist/esm/icons/bell-slash-icon';
import type { ComponentProps } from 'react';
import { useScope } from '../../api/session.ts';
import { Page } from '../../components/page-header.tsx';

const PAGES = [
  { to: '/alerts', text: 'Alerts' },
  { to: '/alerts/silences', text: 'Silences' },
  { to: '/alerts/receivers', text: 'Receivers' },
] as const;

/** Pages for users with a scope. Receivers belong to the whole hub. */
const SCOPED_PAGES = PAGES.filter(({ to }) => to !== '/alerts/receivers');

/** Interval of reads: no event announces notifications, or that a silence begins or ends. */
export const READ_MS = 15_000;

export const AlertsFrame = (page: Omit<ComponentProps<typeof Page>, 'title'>) => (
  <Page title="Alerts" parts={['Alert pages', useScope() === undefined ? PAGES : SCOPED_PAGES]} {...page} />
);

const EXAMPLE = `receivers:
  - name: on-call
    alertmanager:
      url: http://alertmanager.monitoring:9093
route:
  receiver: on-call`;

/** Instructions for a hub without an alerts file. */
export const NoReceivers = () => (
  <EmptyState titleText="Nobody is notified of alerts" headingLevel="h2" variant="sm" icon={BellSlashIcon}>
    <EmptyStateBody>
      <p>
        This hub has no alerts file. Alerts are shown here all the same. To notify Slack, PagerDuty, Alertmanager, a webhook or people by
        e-mail, write a file and set <code>FSO_ALERTS_FILE</code> of the hub to its path, or <code>alerts.config</code> of its chart to its
        content. The smallest one:
      </p>
      <CodeBlock className="fso-alerts-example">
        <CodeBlockCode>{EXAMPLE}</CodeBlockCode>
      </CodeBlock>
      <p>
        <code>docs/operate/alerts.md</code> describes every receiver, routes and rules.
      </p>
    </EmptyStateBody>
  </EmptyState>
);
