import { describe, expect, it } from 'vitest';
import { above, between, parseRequests, type Usage } from './usage.ts';

const METRICS = `# HELP apiserver_request_total Counter of apiserver requests
apiserver_request_total{code="201",component="apiserver",dry_run="All",group="",resource="pods",scope="resource",subresource="",verb="POST",version="v1"} 3
apiserver_request_total{code="403",component="apiserver",dry_run="All",group="",resource="pods",scope="resource",subresource="",verb="POST",version="v1"} 4
apiserver_request_total{code="200",component="apiserver",dry_run="",group="x",resource="things",scope="resource",subresource="status",verb="APPLY",version="v1"} 5
apiserver_request_total{code="0",component="apiserver",dry_run="",group="x",resource="things",scope="cluster",subresource="",verb="WATCH",version="v1"} 9
apiserver_request_total{code="200",component="",dry_run="",group="",resource="",scope="",subresource="/metrics",verb="GET",version=""} 2
apiserver_request_terminations_total{code="200"} 7
`;

const usage = (at: number, hub: number, gets: number): Usage => ({
  at,
  cpuMs: new Map([['hub', hub]]),
  requests: new Map([['GET pods', gets]]),
});

describe('usage', () => {
  it('sums the requests of an API server by verb and resource, without watches and its own metrics', () => {
    expect(parseRequests(METRICS)).toEqual(
      new Map([
        ['POST pods, dry run', 7],
        ['APPLY things/status', 5],
      ]),
    );
  });

  it('takes off what would have been done anyway', () => {
    const idle = between(usage(0, 100, 10), usage(1_000, 110, 12));
    const busy = between(usage(2_000, 200, 20), usage(4_000, 300, 40));
    expect(above(busy, idle)).toEqual({ at: 2_000, cpuMs: new Map([['hub', 80]]), requests: new Map([['GET pods', 16]]) });
  });
});
