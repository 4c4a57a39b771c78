using System.Text.Json.Serialization;

namespace DiffusionClip;

/// <summary>How a prompt's text is read.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<PromptSyntax>))]
public enum PromptSyntax
{
    /// <summary>
    /// AUTOMATIC1111's webui: weights <c>(x:1.2)</c>, <c>((x))</c>, <c>[x]</c>; edits <c>[a:b:0.5]</c>, <c>[a|b]</c>; BREAK;
    /// a backslash before a bracket makes it a letter.
    /// </summary>
    [JsonStringEnumMemberName("a1111")]
    A1111,

    /// <summary>Every character is a letter, as in diffusers.</summary>
    [JsonStringEnumMemberName("plain")]
    Plain,
}
