import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Notice } from '../../hub/dashboard/third-party-notices.ts';

/** Reads the notices beside a build's bundle, in order. */
export const noticesOf = (folder: string): readonly Notice[] =>
  readFileSync(join(folder, 'third-party-notices.txt'), 'utf8')
    .split(/^={80}\n(?=.+\nLicense: )/m)
    .slice(1)
    .map((notice) => {
      const [title = '', license = '', ...text] = notice.split('\n');
      return { title, license: license.replace('License: ', ''), text: text.join('\n') };
    });
