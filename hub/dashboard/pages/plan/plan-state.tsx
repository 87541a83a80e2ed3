import { Alert, Button, Flex, Spinner } from '@patternfly/react-core';
import { ApiProblem } from '../../api/client.ts';
import { ProblemList } from '../../components/text.tsx';

interface PlanProblemProps {
  readonly error: Error;
  /** Shows a line of the text; absent if the files are not on this page. */
  readonly onShow?: (line: number) => void;
}

/** Reasons why there is no plan, with links to the lines of the text. */
export const PlanProblem = ({ error, onShow }: PlanProblemProps) => {
  const problems = error instanceof ApiProblem ? (error.problem.problems ?? []) : [];
  const wait = error instanceof ApiProblem ? error.retryAfterS : undefined;
  return (
    <Alert isInline isLiveRegion variant="danger" component="h2" title={error.message}>
      {wait === undefined ? null : <p>The hub takes another one in {wait} s.</p>}
      {problems.length === 0 || onShow !== undefined ? null : <ProblemList problems={problems} />}
      {problems.length === 0 || onShow === undefined ? null : (
        <ul className="fso-problems">
          {problems.map(({ line, column, reason }) => (
            <li key={`${line}:${column} ${reason}`}>
              {line === undefined ? null : (
                <>
                  <Button variant="link" isInline onClick={() => onShow(line)}>
                    Line {line}
                  </Button>
                  :{' '}
                </>
              )}
              {reason}
            </li>
          ))}
        </ul>
      )}
    </Alert>
  );
};

/** Progress of a plan that is being made. */
export const PlanRunning = ({ onCancel }: { readonly onCancel: () => void }) => (
  <Flex>
    <Spinner size="md" aria-hidden />
    <span role="status">The hub compares, and asks the agents of the clusters whose rules change. That takes up to a minute.</span>
    <Button variant="link" onClick={onCancel}>
      Cancel
    </Button>
  </Flex>
);
