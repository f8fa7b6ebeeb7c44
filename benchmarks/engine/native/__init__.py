"""llama.cpp in this process: its library, a model's context, the sampler, and the scheduling of replies on top."""
