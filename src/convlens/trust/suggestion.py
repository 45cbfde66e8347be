"""Suggestion: which unlabeled images are to be labeled next."""

import torch
import torch.nn.functional as F
from torch import Tensor


def suggested(probabilities: Tensor, vectors: Tensor, count: int) -> Tensor:
    """Places of at most `count` images, of probabilities (N, classes) and vectors (N, D), in the order of choice.

    BADGE (Ash, Zhang, Krishnamurthy, Langford & Agarwal, Deep batch active learning by diverse, uncertain gradient
    lower bounds, 2020): of each image the gradient that the cross-entropy would have in the last layer if the likeliest
    class were true, (p − onehot) ⊗ x. It is long where the answer is uncertain, and two of them lie apart where images
    differ or are mistaken for different classes. Images are drawn as k-means++ draws its centers (Arthur &
    Vassilvitskii 2007), the longest gradient first. Vectors are of length 1 here, as for the detectors. The same for
    the same images.

    Gradients are never formed: their products are those of the residuals times those of the vectors.
    """
    x, residuals = F.normalize(vectors.float(), dim=1), probabilities.float().clone()
    residuals[torch.arange(len(x)), residuals.argmax(1)] -= 1
    squares = residuals.square().sum(1)
    generator = torch.Generator().manual_seed(0)
    left, distances = torch.ones(len(x)), squares.clone()
    places = [int(squares.argmax())] if len(x) else []
    while len(places) < min(count, len(x)):
        last = places[-1]
        left[last] = 0
        products = (residuals @ residuals[last]) * (x @ x[last])
        distances = torch.minimum(distances, (squares + squares[last] - 2 * products).clamp(min=0)) * left
        chances = distances if distances.any() else left
        places.append(int(torch.multinomial(chances, 1, generator=generator)))
    return torch.tensor(places)
