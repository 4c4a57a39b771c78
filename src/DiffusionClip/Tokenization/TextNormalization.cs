namespace DiffusionClip.Tokenization;

/// <summary>What happens to a text before CLIP's byte-pair encoding. Both reference implementations exist and differ.</summary>
public enum TextNormalization
{
    /// <summary>
    /// As Hugging Face's <c>CLIPTokenizer</c> feeds the text encoders of diffusers: special tokens in the text count as such,
    /// then NFC, white space to one space, lower case character by character.
    /// </summary>
    Diffusion,

    /// <summary>
    /// As the tokenizer of openai/CLIP and open_clip: <c>ftfy.fix_text</c>, <c>html.unescape</c> twice, white space to one
    /// space, lower case in context. This is what CLIP models were trained on.
    /// </summary>
    Scoring,
}
