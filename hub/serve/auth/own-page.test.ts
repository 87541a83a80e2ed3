import { describe, expect, it } from 'vitest';
import { foreignRequest } from './own-page.ts';

const own = 'https://hub.example';

describe('a call with a cookie', () => {
  it.each([
    [{ origin: own, site: 'same-origin', proof: '1' }],
    [{ origin: own, site: undefined, proof: '1' }],
    [{ origin: undefined, site: 'same-origin', proof: '1' }],
  ])("passes from the hub's own pages: %j", (request) => {
    expect(foreignRequest(request, own)).toBeUndefined();
  });

  it.each([
    [{ origin: 'https://evil.example', site: 'cross-site', proof: '1' }, 'origin https://evil.example'],
    [{ origin: 'https://hub.example.evil.example', site: undefined, proof: '1' }, 'origin https://hub.example.evil'],
    [{ origin: 'http://hub.example', site: undefined, proof: '1' }, 'origin http://hub.example'],
    [{ origin: 'null', site: undefined, proof: '1' }, 'origin null'],
    [{ origin: own, site: 'same-site', proof: '1' }, 'Sec-Fetch-Site is same-site'],
    [{ origin: undefined, site: 'none', proof: '1' }, 'Sec-Fetch-Site is none'],
    [{ origin: undefined, site: undefined, proof: '1' }, 'neither'],
    [{ origin: own, site: 'same-origin', proof: undefined }, 'X-FSO-CSRF'],
    [{ origin: own, site: 'same-origin', proof: '' }, 'X-FSO-CSRF'],
  ])('is refused from elsewhere: %j', (request, reason) => {
    expect(foreignRequest(request, own)).toContain(reason);
  });
});
