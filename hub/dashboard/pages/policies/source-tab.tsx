import { type PolicyView, policyKey } from '@fso/shared/api';
import { useQuery } from '@tanstack/react-query';
import { policySourceQuery } from '../../api/queries.ts';
import { Empty, QueryView } from '../../components/empty-states.tsx';
import { RevisionLink } from '../../components/links.tsx';
import { NotInGit } from './not-in-git.tsx';
import { YamlView } from './yaml-view.tsx';

const FromGit = ({ policy }: { readonly policy: string }) => {
  const source = useQuery(policySourceQuery(policy));
  return (
    <QueryView query={source} what="the document of the policy" lines={10}>
      {({ path, line, revision, yaml }) =>
        yaml === '' ? (
          <Empty title="The document is empty" />
        ) : (
          <>
            <p className="fso-source-place">
              <code>
                {path}:{line}
              </code>{' '}
              at the commit in force, <RevisionLink revision={revision} />
            </p>
            <YamlView yaml={yaml} firstLine={line} />
          </>
        )
      }
    </QueryView>
  );
};

/** The document as it stands in Git. */
export const SourceTab = ({ policy }: { readonly policy: PolicyView }) =>
  policy.source === null ? <NotInGit policy={policy} what="document" /> : <FromGit policy={policyKey(policy)} />;
