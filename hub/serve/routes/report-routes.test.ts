import { IssueReport } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { fillLedger, startApiHarness } from '../testing/api-harness.ts';

describe('the issue report', () => {
  it.each([
    ['json', 'application/json', 'attachment'],
    ['csv', 'text/csv', 'attachment'],
    ['html', 'text/html', 'inline'],
  ])('is given as %s, with a name', async (format, type, disposition) => {
    await using server = await startApiHarness();
    await fillLedger(server.ledger);
    const response = await fetch(`${server.url}/api/v1/reports/issues?format=${format}`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(`${type}; charset=utf-8`);
    expect(response.headers.get('content-disposition')).toMatch(
      new RegExp(`^${disposition}; filename="fso-issues-\\d{8}T\\d{6}Z\\.${format}"$`),
    );
    const policy = response.headers.get('content-security-policy');
    expect(policy).toMatch(/^default-src 'none';/);
    expect(policy?.includes("style-src 'sha256-")).toBe(format === 'html');
    const text = await response.text();
    expect(text).toContain('api-1');
    if (format === 'json') expect(IssueReport.parse(JSON.parse(text)).violations).toHaveLength(1);
  });

  it('is refused in any other form', async () => {
    await using server = await startApiHarness();
    expect((await fetch(`${server.url}/api/v1/reports/issues?format=pdf`)).status).toBe(400);
  });
});
