import type { IssueReport } from '@fso/shared/api';
import { Button, Card, CardBody, CardTitle, Content, Flex, Gallery } from '@patternfly/react-core';
import DownloadIcon from '@patternfly/react-icons/dist/esm/icons/download-icon';
import PrintIcon from '@patternfly/react-icons/dist/esm/icons/print-icon';
import SyncIcon from '@patternfly/react-icons/dist/esm/icons/sync-icon';
import { useQuery } from '@tanstack/react-query';
import { urlOf } from '../../api/client.ts';
import { issueReportQuery } from '../../api/queries.ts';
import { QueryView } from '../../components/empty-states.tsx';
import { RevisionLink } from '../../components/links.tsx';
import { Heading, RelativeTime } from '../../components/text.tsx';
import { formatNumber } from '../../lib/format.ts';
import { ComplianceFrame } from './compliance-frame.tsx';

const processingUrl = (format: 'csv' | 'json'): string => urlOf('/api/v1/reports/processing', { format });

const reportUrl = (format: 'csv' | 'json' | 'html'): string => urlOf('/api/v1/reports/issues', { format });

interface CountProps {
  readonly title: string;
  readonly count: number;
  readonly children: string;
}

const Count = ({ title, count, children }: CountProps) => (
  <Card isCompact>
    <CardTitle component="h3">{title}</CardTitle>
    <CardBody>
      <span className="fso-count">{formatNumber(count)}</span>
      <Content component="small" className="fso-muted">
        {children}
      </Content>
    </CardBody>
  </Card>
);

const Counts = ({ clusters, policies, violations, unnamedViolations, omitted }: IssueReport) => (
  <Gallery hasGutter minWidths={{ default: '200px' }}>
    <Count title="Issues of clusters" count={clusters.length + omitted.clusters}>
      Such as not connected, behind, refusing a commit, tampered with, a lock not ready, or nodes without a region.
    </Count>
    <Count title="Issues of policies" count={policies.length + omitted.policies}>
      Failed, pending, without a report, expired or about to expire, in conflict, or with a lock that does not hold.
    </Count>
    <Count title="Violations listed" count={violations.length}>
      Each with workload, cluster, policy and reason.
    </Count>
    <Count title="Violations counted only" count={unnamedViolations}>
      Agents list the first 20 of a cluster and count the rest.
    </Count>
  </Gallery>
);

/** Report of the observed countries of processing. */
const Processing = () => (
  <>
    <Heading level={2}>Countries of processing</Heading>
    <Content component="p">
      In which countries the running pods of each governed namespace are: every connected agent is asked when the file is written, and what
      is not known reads unknown. Where data is stored is not observed.
    </Content>
    <Flex>
      <Button component="a" href={processingUrl('csv')} download variant="secondary" icon={<DownloadIcon />}>
        Countries of processing as CSV
      </Button>
      <Button component="a" href={processingUrl('json')} download="processing.json" variant="secondary" icon={<DownloadIcon />}>
        Countries of processing as JSON
      </Button>
    </Flex>
  </>
);

/** Issue report: its counts and its downloads. */
export const ReportPage = () => {
  const query = useQuery(issueReportQuery);
  return (
    <ComplianceFrame description="Every current issue of the fleet, as a file or a page to print.">
      <QueryView query={query} what="the issue report">
        {(report) => (
          <div className="fso-stack">
            <Heading level={2}>Contents</Heading>
            <div>
              As of <RelativeTime time={report.generatedAt} />, commit in force <RevisionLink revision={report.revision} />{' '}
              <Button variant="link" isInline icon={<SyncIcon />} isLoading={query.isFetching} onClick={() => void query.refetch()}>
                Count again
              </Button>
            </div>
            <Counts {...report} />
            <Heading level={2}>Download</Heading>
            <Content component="p">Each download generates the report again and states its time.</Content>
            <Flex>
              <Button component="a" href={reportUrl('csv')} download variant="secondary" icon={<DownloadIcon />}>
                CSV, for spreadsheets
              </Button>
              <Button component="a" href={reportUrl('json')} download="issues.json" variant="secondary" icon={<DownloadIcon />}>
                JSON, for programs
              </Button>
              <Button component="a" href={reportUrl('html')} target="_blank" rel="noreferrer" variant="secondary" icon={<PrintIcon />}>
                Page to print (opens a new tab)
              </Button>
            </Flex>
            <Processing />
          </div>
        )}
      </QueryView>
    </ComplianceFrame>
  );
};
