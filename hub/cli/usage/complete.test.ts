import { describe, expect, it } from 'vitest';
import { createProgram } from '../program.ts';
import { complete, formatCompletion } from './complete.ts';

const valuesAfter = (...words: string[]): string[] => complete(createProgram(), words).candidates.map(({ value }) => value);

describe('complete', () => {
  it('offers commands, then those below them', () => {
    expect(valuesAfter('')).toEqual(expect.arrayContaining(['serve', 'get', 'clusters', 'completion', 'help']));
    expect(valuesAfter('cl')).toEqual(['clusters']);
    expect(valuesAfter('clusters', 're')).toEqual(['revoke']);
    expect(valuesAfter('nothing', 'of', 'this', 'na')).toEqual([]);
  });

  it('offers the options of a command and of the program', () => {
    expect(valuesAfter('get', 'policies', '--se')).toEqual(['--server']);
    expect(valuesAfter('get', '--v')).toEqual(['--violating', '--version']);
    expect(valuesAfter('clusters', 'token', 'eu', '--token')).toEqual(['--token', '--token-file']);
  });

  it.each([
    [['get', 'po'], ['policies']],
    [
      ['get', 'policies', '-o', ''],
      ['table', 'wide', 'json', 'yaml'],
    ],
    [['get', 'policies', '--output', 'j'], ['json']],
    // As bash cuts `--output=j`.
    [['get', 'policies', '--output', '=', 'j'], ['json']],
    [
      ['--token', 'get', 'completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [
      ['--color', 'describe', ''],
      ['policies', 'clusters', 'commits'],
    ],
    [['get', '--phase', 'Active', 'cl'], ['clusters']],
    [['get', 'policies', 'finance', ''], []],
  ])('knows the values after %j', (words, values) => {
    expect(valuesAfter(...words)).toEqual(values);
  });

  it('leaves paths to the shell', () => {
    const takesPath = (...words: string[]): boolean => complete(createProgram(), words).takesPath;
    expect([takesPath('validate', ''), takesPath('--token-file', ''), takesPath('get', 'policies', '')]).toEqual([true, true, false]);
  });

  it('answers as kubectl expects it of a plugin', () => {
    expect(formatCompletion(complete(createProgram(), ['whoa']))).toMatch(/^whoami\tshow .*\n:4\n$/);
    expect(formatCompletion(complete(createProgram(), ['validate', '']))).toBe(':0\n');
  });
});
