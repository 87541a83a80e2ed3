import { describe, expect, it } from 'vitest';
import { createTokenLookup, parseTokens } from './authenticate-agent.ts';

const euToken = 'eu-token-0123456789';
const usToken = 'us-token-0123456789';

describe('agent tokens', () => {
  it('prove the cluster of a token and nothing else', () => {
    const findOwner = createTokenLookup(parseTokens(`eu: ${euToken}\nus: ${usToken}\n`));
    expect(findOwner(`Bearer ${euToken}`)).toBe('eu');
    expect(findOwner(`bearer ${usToken}`)).toBe('us');
    for (const wrong of [undefined, '', euToken, `Basic ${euToken}`, `Bearer ${euToken}x`, 'Bearer ', `Bearer ${euToken.slice(0, -1)}`]) {
      expect(findOwner(wrong)).toBeUndefined();
    }
  });

  it.each([
    ['not a mapping', '- a\n', 'file:'],
    ['a short token', 'eu: short\n', 'eu: must have at least 16'],
    ['a name that is none', `"EU!": ${euToken}\n`, 'EU!'],
    ['a shared token', `eu: ${euToken}\nus: ${euToken}\n`, 'same token'],
    ['broken text', `eu: "${euToken}\nus: x`, 'not valid YAML'],
  ])('refuses %s, without quoting a token', (_name, text, reason) => {
    expect(() => parseTokens(text)).toThrow(reason);
    expect(() => parseTokens(text)).not.toThrow(euToken);
  });
});
