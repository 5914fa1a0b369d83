from __future__ import annotations

import pytest

from hub.revisions.facts.card import validate_card


def errors_of(block: str, kind: str = "model") -> list[str]:
    return validate_card(f"---\n{block}\n---\n", kind)[0]


class TestValidateCard:
    def test_takes_a_good_card_without_a_word(self) -> None:
        text = (
            "---\nlicense: apache-2.0\nlanguage: [zh, en]\npipeline_tag: text-generation\n"
            "base_model: Qwen/Qwen-72B\ntags: [chat]\nmodel-index:\n- name: x\n  results:\n"
            "  - task: {type: text-generation}\n    dataset: {type: ceval, name: C-Eval}\n"
            "    metrics: [{type: accuracy, value: 83.3}]\n---\n# x\n"
        )
        assert validate_card(text, "model") == ([], [])

    @pytest.mark.parametrize("text", ["", "# Only text", "---\n---\n"])
    def test_warns_of_missing_metadata(self, text: str) -> None:
        errors, warnings = validate_card(text, "model")
        assert errors == []
        assert warnings == ["empty or missing yaml metadata in repo card"]

    @pytest.mark.parametrize(
        "block",
        [
            "license: [mit",
            "license: {a: b}",
            "language: 5",
            "tags: {a: b}",
            "tags: [[nested]]",
            "pipeline_tag: [a]",
            "base_model: ../../etc",
            "base_model_relation: cousin",
            "model-index: yes",
            "model-index: [{results: []}]",
            "model-index: [{name: x, results: [{task: 1}]}]",
            "model-index: [{name: x, results: [{metrics: [{type: a}]}]}]",
        ],
    )
    def test_refuses(self, block: str) -> None:
        assert errors_of(block)

    @pytest.mark.parametrize(
        "field",
        ["tags", "metrics", "datasets", "models", "language", "task_categories", "task_ids", "license"],
    )
    def test_takes_one_string_for_a_list(self, field: str) -> None:
        assert not errors_of(f"{field}: accuracy")

    def test_refuses_an_unknown_sdk_of_a_space_only(self) -> None:
        assert errors_of("sdk: cobol", "space")
        assert not errors_of("sdk: cobol", "model")

    def test_warns_of_words_it_does_not_know(self) -> None:
        text = "---\nlicense: my-own\nlanguage: klingonish\npipeline_tag: mind-reading\n---\n"
        errors, warnings = validate_card(text, "model")
        assert errors == []
        assert len(warnings) == 3
