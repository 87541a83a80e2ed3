package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

// regoCase is the input as Gatekeeper gives it: `review` and `parameters`.
type regoCase = any

type engine struct {
	query *rego.PreparedEvalQuery
}

// newEngine compiles a policy once. Without one, every question is answered with an error.
func newEngine(ctx context.Context, file string) (*engine, error) {
	if file == "" {
		return &engine{}, nil
	}
	source, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	query, err := rego.New(rego.Query("data.k8sgeoresidency.violation"), rego.Module(file, string(source))).PrepareForEval(ctx)
	if err != nil {
		return nil, err
	}
	return &engine{query: &query}, nil
}

// askAll answers each case with the messages of its violations, sorted.
func (e *engine) askAll(ctx context.Context, raw json.RawMessage) (any, error) {
	if e.query == nil {
		return nil, fmt.Errorf("started without a Rego policy")
	}
	var cases []regoCase
	if err := json.Unmarshal(raw, &cases); err != nil {
		return nil, err
	}
	answers := make([][]string, len(cases))
	for index, input := range cases {
		messages, err := e.ask(ctx, input)
		if err != nil {
			return nil, fmt.Errorf("case %d: %w", index, err)
		}
		answers[index] = messages
	}
	return answers, nil
}

func (e *engine) ask(ctx context.Context, input regoCase) ([]string, error) {
	value, err := ast.InterfaceToValue(input)
	if err != nil {
		return nil, err
	}
	results, err := e.query.Eval(ctx, rego.EvalParsedInput(value))
	if err != nil {
		return nil, err
	}
	messages := []string{}
	for _, result := range results {
		violations, ok := result.Expressions[0].Value.([]any)
		if !ok {
			return nil, fmt.Errorf("violation is not a set but %T", result.Expressions[0].Value)
		}
		for _, violation := range violations {
			message, ok := violation.(map[string]any)["msg"].(string)
			if !ok {
				return nil, fmt.Errorf("a violation without msg: %v", violation)
			}
			messages = append(messages, message)
		}
	}
	sort.Strings(messages)
	return messages, nil
}
