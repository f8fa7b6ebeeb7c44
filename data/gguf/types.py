"""Numbers and names in GGUF files that the llama.cpp of `data/llama_library.py` knows.

`BLOCK_SIZES` are ggml's tensor types: weights per block and bytes per block. `QUANTIZATIONS` is what can be made here:
llama.cpp's file type, and an upper bound of bits per weight, for K-quants fall back to larger types in tensors whose
rows do not divide by 256. `FILE_TYPES` names all file types. A test compares the first with the gguf package's table,
which knows all but the newest (Q2_0, 42); slow ones ask llama.cpp for the others. `DECODERS` can be cut and merged.
"""

BLOCK_SIZES: dict[int, tuple[int, int]] = {
    0: (1, 4),  # F32
    1: (1, 2),  # F16
    2: (32, 18),  # Q4_0
    3: (32, 20),  # Q4_1
    6: (32, 22),  # Q5_0
    7: (32, 24),  # Q5_1
    8: (32, 34),  # Q8_0
    9: (32, 40),  # Q8_1
    10: (256, 84),  # Q2_K
    11: (256, 110),  # Q3_K
    12: (256, 144),  # Q4_K
    13: (256, 176),  # Q5_K
    14: (256, 210),  # Q6_K
    15: (256, 292),  # Q8_K
    16: (256, 66),  # IQ2_XXS
    17: (256, 74),  # IQ2_XS
    18: (256, 98),  # IQ3_XXS
    19: (256, 50),  # IQ1_S
    20: (32, 18),  # IQ4_NL
    21: (256, 110),  # IQ3_S
    22: (256, 82),  # IQ2_S
    23: (256, 136),  # IQ4_XS
    24: (1, 1),  # I8
    25: (1, 2),  # I16
    26: (1, 4),  # I32
    27: (1, 8),  # I64
    28: (1, 8),  # F64
    29: (256, 56),  # IQ1_M
    30: (1, 2),  # BF16
    34: (256, 54),  # TQ1_0
    35: (256, 66),  # TQ2_0
    39: (32, 17),  # MXFP4
    40: (64, 36),  # NVFP4
    41: (128, 18),  # Q1_0
    42: (64, 18),  # Q2_0
}

QUANTIZATIONS: dict[str, tuple[int, float]] = {
    "f16": (1, 16.5),
    "q8_0": (7, 8.6),
    "q6_k": (18, 8.6),
    "q5_1": (9, 6.9),
    "q5_0": (8, 6.9),
    "q5_k_m": (17, 8.6),
    "q4_1": (3, 6.9),
    "q4_0": (2, 6.9),
    "q4_k_m": (15, 8.6),
    "q3_k_m": (12, 8.6),
    "q2_k": (10, 8.6),
}

FILE_TYPES: dict[int, str] = {
    **dict(enumerate(("f32", "f16", "q4_0", "q4_1"))),
    **dict(enumerate(("q8_0", "q5_0", "q5_1", "q2_k", "q3_k_s", "q3_k_m", "q3_k_l", "q4_k_s", "q4_k_m"), start=7)),
    **dict(enumerate(("q5_k_s", "q5_k_m", "q6_k", "iq2_xxs", "iq2_xs", "q2_k_s", "iq3_xs", "iq3_xxs"), start=16)),
    **dict(enumerate(("iq1_s", "iq4_nl", "iq3_s", "iq3_m", "iq2_s", "iq2_m", "iq4_xs", "iq1_m", "bf16"), start=24)),
    **dict(enumerate(("tq1_0", "tq2_0", "mxfp4", "nvfp4", "q1_0", "q2_0"), start=36)),
}
GUESSED = 1024
"""Added to a file type that was guessed from the tensors."""

DECODERS = ("llama", "qwen2", "qwen3")
"""Architectures whose layers are all alike, so that some can be dropped, and each adapted by LoRA in its matrices. In
others a layer's number decides what it does: every second one looks at a window, every fourth has no positions."""

NO_VOCABULARY = ("no_vocab", "none")
TOKENIZERS = frozenset("llama gpt2 bert t5 rwkv plamo2 gemma4 hybriddna whitespace".split())
PRE_TOKENIZERS = frozenset(
    """
    a.x-4.0 afmoe bailingmoe bailingmoe2 bloom chameleon chatglm-bpe codeshell cohere2moe command-r dbrx deepseek-coder
    deepseek-llm deepseek-r1-qwen deepseek-v3 default exaone exaone-moe exaone4 f2llmv2 falcon falcon-h1 falcon3 gemma4
    gigachat glm4 glm5 gpt-2 gpt-4o gpt3-finnish granite-docling granite-embed-multi-311m granite-embed-multi-97m grok-2
    hunyuan hunyuan-dense hy_v4 jais jais-2 jina-de jina-es jina-v1-en jina-v2-code jina-v2-de jina-v2-es jina-v5-nano
    joyai-llm kanana2 kimi-k2 kormo laguna lfm2 llada-moe llama-bpe llama-v3 llama3 llama4 megrez mellum mellum2
    midm-2.0 minerva-7b minicpm5 minimax-m2 modern-bert mpt olmo phi-2 pixtral poro-chat qwen2 qwen35 refact roberta-bpe
    sarvam-moe seed-coder smaug-bpe smollm solar-open spark2_5 stablelm2 starcoder superbpe talkie tekken tiny_aya
    trillion ufakzeka viking whitespace youtu
    """.split()
)
"""Values of tokenizer.ggml.pre for gpt2 tokenizers; llama.cpp refuses any other."""
