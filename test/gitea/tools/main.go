// Command runner runs the jobs of a Gitea on this machine, as Gitea's own runner does: by act, which evaluates the workflow and runs its
// steps. It registers itself, and takes one job after the other until it is ended.
//
//	runner <URL of Gitea> <registration token> <folder>
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"time"

	runnerv1 "code.gitea.io/actions-proto-go/runner/v1"
	"code.gitea.io/actions-proto-go/runner/v1/runnerv1connect"
	"connectrpc.com/connect"
	"github.com/nektos/act/pkg/model"
	"github.com/nektos/act/pkg/runner"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	label   = "ubuntu-latest"
	version = "v0.2.13"
	pause   = 100 * time.Millisecond
)

// identify sends the credentials of a registered runner with each request.
func identify(registered **runnerv1.Runner) connect.UnaryInterceptorFunc {
	return func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
			if *registered != nil {
				request.Header().Set("x-runner-uuid", (*registered).Uuid)
				request.Header().Set("x-runner-token", (*registered).Token)
			}
			return next(ctx, request)
		}
	}
}

// githubContext is the context `github` of a job as Gitea sends it.
func githubContext(task *runnerv1.Task) (*model.GithubContext, error) {
	text, err := json.Marshal(task.Context.AsMap())
	if err != nil {
		return nil, err
	}
	github := &model.GithubContext{Token: task.Secrets["GITHUB_TOKEN"]}
	return github, json.Unmarshal(text, github)
}

// run runs the job of a task. A job that is not run, as its condition is false, has no result of its own.
func run(ctx context.Context, task *runnerv1.Task, address, folder string) (runnerv1.Result, error) {
	workflow, err := model.ReadWorkflow(bytes.NewReader(task.WorkflowPayload))
	if err != nil {
		return runnerv1.Result_RESULT_FAILURE, err
	}
	plan, err := model.CombineWorkflowPlanner(workflow).PlanJob(workflow.GetJobIDs()[0])
	if err != nil {
		return runnerv1.Result_RESULT_FAILURE, err
	}
	github, err := githubContext(task)
	if err != nil {
		return runnerv1.Result_RESULT_FAILURE, err
	}
	event, err := json.Marshal(github.Event)
	if err != nil {
		return runnerv1.Result_RESULT_FAILURE, err
	}
	jobs, err := runner.New(&runner.Config{
		Workdir:               filepath.Join(folder, "work"),
		ActionCacheDir:        filepath.Join(folder, "actions"),
		AutoRemove:            true,
		LogOutput:             true,
		NoSkipCheckout:        true,
		Secrets:               task.Secrets,
		Vars:                  task.Vars,
		GitHubInstance:        address,
		DefaultActionInstance: task.Context.Fields["gitea_default_actions_url"].GetStringValue(),
		PresetGitHubContext:   github,
		EventJSON:             string(event),
		PlatformPicker:        func([]string) string { return "-self-hosted" },
	})
	if err != nil {
		return runnerv1.Result_RESULT_FAILURE, err
	}
	if err := jobs.NewPlanExecutor(plan)(ctx); err != nil {
		return runnerv1.Result_RESULT_FAILURE, err
	}
	if plan.Stages[0].Runs[0].Job().Result == "" {
		return runnerv1.Result_RESULT_SKIPPED, nil
	}
	return runnerv1.Result_RESULT_SUCCESS, nil
}

func serve(ctx context.Context, address, token, folder string) error {
	var registered *runnerv1.Runner
	client := runnerv1connect.NewRunnerServiceClient(http.DefaultClient, address+"/api/actions", connect.WithInterceptors(identify(&registered)))
	answer, err := client.Register(ctx, connect.NewRequest(&runnerv1.RegisterRequest{Name: "test", Token: token, Version: version, Labels: []string{label}}))
	if err != nil {
		return err
	}
	registered = answer.Msg.Runner
	for ; ; time.Sleep(pause) {
		fetched, err := client.FetchTask(ctx, connect.NewRequest(&runnerv1.FetchTaskRequest{}))
		if err != nil {
			return err
		}
		task := fetched.Msg.Task
		if task == nil {
			continue
		}
		started := timestamppb.Now()
		result, err := run(ctx, task, address, folder)
		fmt.Printf("task %d: %s, %v\n", task.Id, result, err)
		state := &runnerv1.TaskState{Id: task.Id, Result: result, StartedAt: started, StoppedAt: timestamppb.Now()}
		if _, err := client.UpdateTask(ctx, connect.NewRequest(&runnerv1.UpdateTaskRequest{State: state})); err != nil {
			return err
		}
	}
}

func main() {
	log.Fatal(serve(context.Background(), os.Args[1], os.Args[2], os.Args[3]))
}
