import { Button } from '@patternfly/react-core';
import DownloadIcon from '@patternfly/react-icons/dist/esm/icons/download-icon';
import { urlOf } from '../../api/client.ts';

interface ExportsProps {
  readonly path: string;
  readonly params: Readonly<Record<string, string | undefined>>;
}

/** Of all that the filters mean, not only of what is shown. */
export const Exports = ({ path, params }: ExportsProps) => (
  <div className="fso-exports">
    {(['jsonl', 'csv'] as const).map((format) => (
      <Button
        key={format}
        component="a"
        variant="secondary"
        size="sm"
        icon={<DownloadIcon />}
        href={urlOf(path, { ...params, format })}
        download
        aria-label={`Export as ${format === 'csv' ? 'CSV' : 'JSON lines'}, with the filters in force`}
      >
        {format === 'csv' ? 'CSV' : 'JSON lines'}
      </Button>
    ))}
  </div>
);
